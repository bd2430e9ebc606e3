package engine

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// LibraryVersion is the version of libchdb that this build is tested with; npm
// knows it by the same name.
const LibraryVersion = "26.7.3-stable.1"

// LibraryEnv names the environment variable that points at libchdb.so.
const LibraryEnv = "WATCHFIRE_LIBCHDB"

const libraryFile = "libchdb.so"

// ErrNoLibrary is returned when libchdb is not found.
var ErrNoLibrary = errors.New("the embedded engine's library is missing")

// LibraryCache is the folder that `make engine` installs the library in.
func LibraryCache() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("cannot tell the cache folder: %w", err)
	}
	return filepath.Join(cache, "watchfire", "libchdb", LibraryVersion), nil
}

// FindLibrary returns the path of libchdb.so: configured if it is not empty,
// else the environment's WATCHFIRE_LIBCHDB, else beside the binary, else in
// LibraryCache. A path that was named and does not exist is an error: nothing
// else is tried.
func FindLibrary(configured string) (string, error) {
	for _, named := range []struct{ path, by string }{
		{configured, "the configuration (library)"},
		{os.Getenv(LibraryEnv), LibraryEnv},
	} {
		if named.path == "" {
			continue
		}
		if _, err := os.Stat(named.path); err != nil {
			return "", fmt.Errorf("%w: %s names %s: %w", ErrNoLibrary, named.by, named.path, err)
		}
		return named.path, nil
	}
	var tried []string
	if exe, err := os.Executable(); err == nil {
		tried = append(tried, filepath.Join(filepath.Dir(exe), libraryFile))
	}
	if cache, err := LibraryCache(); err == nil {
		tried = append(tried, filepath.Join(cache, libraryFile))
	}
	for _, path := range tried {
		if _, err := os.Stat(path); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%w: %s %s is in none of %q: install it with `make engine`, or set %s, or use a ClickHouse server by its DSN",
		ErrNoLibrary, libraryFile, LibraryVersion, tried, LibraryEnv)
}
