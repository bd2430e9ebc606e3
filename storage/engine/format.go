package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// dataFormat is the format of the data folder that this build writes. It grows
// when an older build could not read the folder any more; every older format
// is opened.
const dataFormat = 1

// checkFormat refuses a folder that a newer build wrote and marks a new or
// older one as ours.
func checkFormat(dir string) error {
	path := filepath.Join(dir, "format")
	b, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return fmt.Errorf("cannot tell the format of data folder %s: %w", dir, err)
	default:
		n, err := strconv.Atoi(strings.TrimSpace(string(b)))
		if err != nil {
			return fmt.Errorf("%s does not hold a format number: %w", path, err)
		}
		if n > dataFormat {
			return fmt.Errorf("data folder %s has format %d, this build knows formats up to %d: run the newer build that wrote it", dir, n, dataFormat)
		}
		if n == dataFormat {
			return nil
		}
	}
	return replaceFile(path, strconv.Itoa(dataFormat)+"\n")
}

// replaceFile writes a private file as a whole or not at all.
func replaceFile(path, content string) error {
	tmp := path + ".tmp"
	if err := os.WriteFile(tmp, []byte(content), 0o600); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("cannot write %s: %w", path, err)
	}
	return nil
}
