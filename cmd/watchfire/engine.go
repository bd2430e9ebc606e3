package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// newEngineCommand is what `serve` starts the embedded ClickHouse as. Called
// by hand it has nothing to do: main has already become the engine when it was
// started as one.
func newEngineCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "engine",
		Short:  "Run the embedded ClickHouse (started by serve)",
		Hidden: true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("engine is started by `watchfire serve`, not by hand")
		},
		DisableFlagParsing: true,
	}
}
