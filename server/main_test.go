package server

import (
	"io"
	"log/slog"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func quiet() *slog.Logger { return slog.New(slog.NewTextHandler(io.Discard, nil)) }

// How long tests wait for what happens soon, and how often they look.
const (
	testWait = 5 * time.Second
	testTick = 5 * time.Millisecond
)
