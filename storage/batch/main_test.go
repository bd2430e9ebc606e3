package batch

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/watchfire/watchfire/storage/engine"
)

func TestMain(m *testing.M) {
	engine.MaybeChild()
	goleak.VerifyTestMain(m)
}
