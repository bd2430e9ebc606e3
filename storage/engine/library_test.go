package engine

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func touch(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindLibrary(t *testing.T) {
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	t.Setenv(LibraryEnv, "")
	_, err := FindLibrary("")
	if !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), "make engine") {
		t.Errorf("without a library: %v", err)
	}
	cached := touch(t, filepath.Join(cache, "watchfire", "libchdb", LibraryVersion, "libchdb.so"))
	named := touch(t, filepath.Join(t.TempDir(), "named.so"))
	configured := touch(t, filepath.Join(t.TempDir(), "configured.so"))
	check := func(configured, want string) {
		t.Helper()
		if got, err := FindLibrary(configured); err != nil || got != want {
			t.Errorf("got %q, %v, want %q", got, err, want)
		}
	}
	check("", cached)
	t.Setenv(LibraryEnv, named)
	check("", named)
	check(configured, configured)
	t.Setenv(LibraryEnv, "/nowhere.so")
	if _, err := FindLibrary(""); !errors.Is(err, ErrNoLibrary) || !strings.Contains(err.Error(), LibraryEnv) {
		t.Errorf("with a wrong %s: %v", LibraryEnv, err)
	}
}

func TestLibraryVersionIsThePinnedOne(t *testing.T) {
	b, err := os.ReadFile("npm/package.json")
	if err != nil {
		t.Fatal(err)
	}
	var p struct{ Dependencies map[string]string }
	if err := json.Unmarshal(b, &p); err != nil {
		t.Fatal(err)
	}
	if got := p.Dependencies["@chdb/lib-linux-x64-gnu"]; got != LibraryVersion {
		t.Errorf("npm pins %q, LibraryVersion is %q", got, LibraryVersion)
	}
	lock, err := os.ReadFile("npm/package-lock.json")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(lock), `"integrity": "sha512-`) || strings.Contains(string(lock), `"resolved"`) {
		t.Error("package-lock.json should have integrity hashes and no download addresses")
	}
}
