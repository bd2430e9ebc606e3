package engine

import (
	"fmt"
	"os"
	"runtime"

	"github.com/ebitengine/purego"
)

// childEnv carries the library's path to the child; its presence is what makes
// a process the child.
const childEnv = "WATCHFIRE_ENGINE_CHILD"

// MaybeChild turns this process into the engine, and never returns, when it
// was started as one by Start; otherwise it does nothing. The binary calls it
// first thing in main, tests first thing in TestMain.
func MaybeChild() {
	library := os.Getenv(childEnv)
	if library == "" {
		return
	}
	os.Unsetenv(childEnv)
	code, err := runChild(library, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// runChild loads the library and runs clickhouse-local's main with the
// arguments that follow "--" in args.
func runChild(library string, args []string) (int, error) {
	for i, a := range args {
		if a == "--" {
			args = args[i+1:]
			break
		}
	}
	handle, err := purego.Dlopen(library, purego.RTLD_NOW|purego.RTLD_LOCAL)
	if err != nil {
		return 0, fmt.Errorf("cannot load the engine library %s: %w", library, err)
	}
	entry, err := purego.Dlsym(handle, "chdb_query_cmdline")
	if err != nil {
		return 0, fmt.Errorf("%s is not a libchdb that this build can run: %w", library, err)
	}
	var main func(argc int32, argv **byte) int32
	purego.RegisterFunc(&main, entry)

	argv := make([]*byte, 0, len(args)+2)
	for _, a := range append([]string{"clickhouse-local"}, args...) {
		argv = append(argv, &append([]byte(a), 0)[0])
	}
	argv = append(argv, nil)
	// The C side keeps pointers into argv for as long as it runs.
	var pins runtime.Pinner
	defer pins.Unpin()
	for _, p := range argv[:len(argv)-1] {
		pins.Pin(p)
	}
	pins.Pin(&argv[0])
	return int(main(int32(len(argv)-1), &argv[0])), nil
}
