// Command watchfire is the operations center of a platform: it gathers
// metrics, logs, traces and events into ClickHouse, answers the queries of
// Prometheus', Loki's, Tempo's and Jaeger's clients, evaluates graded alert
// rules and notifies. Each subcommand has a file of its own.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/watchfire/watchfire/storage/engine"
)

// version is set by the linker.
var version = "unknown"

// errReported ends the program with status 1 after its message was printed.
var errReported = errors.New("reported")

func main() {
	engine.MaybeChild() // does not return in the embedded ClickHouse's process
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := newRootCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		if !errors.Is(err, errReported) {
			fmt.Fprintln(os.Stderr, "watchfire:", err)
		}
		os.Exit(1)
	}
}

func newRootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "watchfire",
		Short:         "The operations center of a platform",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newServeCommand(), newCheckCommand(), newQueryCommand(), newEngineCommand(),
		newTokenCommand(), newMigrateCommand(), newBackupCommand(), newRestoreCommand(), newVersionCommand())
	return root
}
