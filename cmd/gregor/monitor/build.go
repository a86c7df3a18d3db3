package monitor

// Build names the program that runs.
func Build(version string) Source {
	return func(p *Page) {
		p.Own("gregor_build_info", "Always 1; the version is the label.", 1, Label{"version", version})
	}
}
