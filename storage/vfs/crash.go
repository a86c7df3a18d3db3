package vfs

import (
	"math/rand/v2"
	"sort"
)

// CrashClone returns the file system as a power cut would leave it now. What
// was synced is there. Of the rest, every 4 KiB block, every change of a
// file's size and every change of a directory (a name made, removed, renamed or
// replaced) survives by itself with probability p; a surviving last block may be torn at a
// 512-byte sector. The original is not changed.
func (m *Mem) CrashClone(p float64, rnd *rand.Rand) *Mem {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := &cloner{p: p, rnd: rnd, done: map[*memNode]*memNode{}}
	out := NewMem()
	out.root, out.capacity, out.clock = c.node(m.root), m.capacity, m.clock
	out.used = out.root.bytes()
	return out
}

type cloner struct {
	p    float64
	rnd  *rand.Rand
	done map[*memNode]*memNode // a node may have two names after half a rename
}

func (c *cloner) survives() bool { return c.rnd.Float64() < c.p }

func (c *cloner) node(n *memNode) *memNode {
	if out := c.done[n]; out != nil {
		return out
	}
	var out *memNode
	if n.isDir {
		out = newDirNode()
		c.done[n] = out
		c.dir(n, out)
	} else {
		out = c.file(n)
		c.done[n] = out
	}
	out.modTime = n.modTime
	return out
}

func (c *cloner) dir(n, out *memNode) {
	all := map[string]bool{}
	for k := range n.names {
		all[k] = true
	}
	for k := range n.diskNames {
		all[k] = true
	}
	names := make([]string, 0, len(all))
	for k := range all {
		names = append(names, k)
	}
	sort.Strings(names) // map order must not reach the random source
	// A rename is one step in every journal: the old name goes if and only if the
	// new one comes. So the coin is thrown once for a file, not for each of its names.
	lives := map[*memNode]bool{}
	for _, f := range n.names {
		lives[f] = true
	}
	coins := map[*memNode]bool{}
	coin := func(f *memNode) bool {
		if _, thrown := coins[f]; !thrown {
			coins[f] = c.survives()
		}
		return coins[f]
	}
	for _, k := range names {
		was, now := n.diskNames[k], n.names[k]
		child := was
		switch {
		case was == now:
		case now != nil && coin(now):
			child = now
		case was != nil && (now == nil || lives[was]) && coin(was):
			child = nil // removed, or renamed to another name
		}
		if child != nil {
			cl := c.node(child)
			out.names[k], out.diskNames[k] = cl, cl
		}
	}
}

func (c *cloner) file(n *memNode) *memNode {
	disk := append([]byte(nil), n.disk...)
	if n.resized && c.survives() {
		disk = resized(disk, len(n.cache))
	}
	blocks := make([]int64, 0, len(n.dirty))
	for b := range n.dirty {
		blocks = append(blocks, b)
	}
	sort.Slice(blocks, func(i, j int) bool { return blocks[i] < blocks[j] })
	for i, b := range blocks {
		if !c.survives() {
			continue
		}
		end := min((b+1)*BlockSize, int64(len(n.cache)))
		if end > int64(len(disk)) && n.resized && len(n.cache) > len(n.disk) {
			disk = resized(disk, int(end)) // a block beyond the old end drags the size along
		}
		keep := BlockSize
		if i == len(blocks)-1 && c.rnd.IntN(2) == 0 {
			keep = 512 * c.rnd.IntN(BlockSize/512)
		}
		copyBlock(disk, n.cache, b, keep)
	}
	return &memNode{cache: append([]byte(nil), disk...), disk: disk, dirty: map[int64]struct{}{}}
}
