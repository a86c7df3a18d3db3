package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
)

// touchMemory makes mib MiB of the machine's memory present and gives it back. A
// virtual machine's first touch of a page costs up to ten times a later one,
// and hosts take back what was idle for a while, so it is done right before
// whatever fills the page cache.
func touchMemory(mib int64) {
	block := make([]byte, min(mib, available()/2)<<20)
	for i := 0; i < len(block); i += 4096 {
		block[i] = 1
	}
	runtime.KeepAlive(block)
	block = nil
	debug.FreeOSMemory()
}

// available is the memory that may be used, in MiB; 1 GiB where nobody says.
func available() int64 {
	return max(meminfo("MemAvailable:")>>10, 1024)
}

func meminfo(key string) (kib int64) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0
	}
	_, after, _ := strings.Cut(string(b), key)
	_, _ = fmt.Sscan(after, &kib)
	return kib
}

// rss is a process's resident memory in MiB.
func rss(pid int) float64 {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0
	}
	var kib float64
	_, after, _ := strings.Cut(string(b), "VmRSS:")
	_, _ = fmt.Sscan(after, &kib)
	return kib / 1024
}

// machine describes where the figures were taken.
func machine() string {
	model := "unknown processor"
	if b, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		if _, after, ok := strings.Cut(string(b), "model name"); ok {
			line, _, _ := strings.Cut(after, "\n")
			model = strings.TrimSpace(strings.TrimLeft(line, "\t :"))
		}
	}
	return fmt.Sprintf("%d cores (%s), %.0f GiB, %s/%s", runtime.NumCPU(), model, float64(meminfo("MemTotal:"))/(1<<20), runtime.GOOS, runtime.GOARCH)
}

func commit(root string) string {
	cmd := exec.Command("git", "describe", "--always", "--dirty")
	cmd.Dir = root
	b, err := cmd.Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(b))
}

// folderMB is the size of a folder's files in MB.
func folderMB(dir string) float64 {
	total := int64(0)
	_ = filepath.WalkDir(dir, func(_ string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if info, err := d.Info(); err == nil {
			total += info.Size()
		}
		return nil
	})
	return float64(total) / 1e6
}

// stolen is for how many core seconds so far the host of a virtual machine ran
// something else although a core had work; 0 where that is not told.
func stolen() float64 {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return 0
	}
	f := strings.Fields(string(b))
	if len(f) < 9 || f[0] != "cpu" {
		return 0
	}
	ticks, _ := strconv.ParseFloat(f[8], 64)
	return ticks / 100
}
