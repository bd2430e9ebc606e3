package records_test

import (
	"fmt"
	"os"
	"testing"

	"go.uber.org/goleak"

	"github.com/watchfire/watchfire/storage/records/recordstest"
)

func TestMain(m *testing.M) {
	code := recordstest.Main(m)
	if err := goleak.Find(); err != nil && code == 0 {
		fmt.Println(err)
		code = 1
	}
	os.Exit(code)
}
