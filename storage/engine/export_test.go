package engine

// SetFreePort replaces the choice of ports until restore is called.
func SetFreePort(f func() (int, error)) (restore func()) {
	old := freePort
	freePort = f
	return func() { freePort = old }
}
