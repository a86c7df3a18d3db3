package logdir

import "slices"

// spareFiles are held open for the moment when no more can be opened: closing a
// log takes a flush first, and that opens directories and checkpoints.
const spareFiles = 8

// holdSpare opens what is missing of the spare files, as far as that is
// possible. With all of them appends may open files again.
func (s *Set) holdSpare() {
	for _, d := range s.Dirs() {
		for len(s.spare) < spareFiles {
			f, err := d.fs.OpenFile(d.Path+"/"+MetaFile, 0)
			if err != nil {
				break
			}
			s.spare = append(s.spare, f)
		}
	}
	for _, d := range s.Dirs() {
		if len(s.spare) == spareFiles {
			s.warned.Store(false)
			d.room.FilesAgain()
		}
	}
}

// starved tells whether appends wait for files.
func (s *Set) starved() bool {
	return slices.ContainsFunc(s.Dirs(), func(d *Dir) bool { return d.room.Starved() })
}

// dropSpare gives the spare files to whoever needs them now.
func (s *Set) dropSpare() {
	for _, f := range s.spare {
		_ = f.Close() // nothing was written
	}
	s.spare = nil
}
