package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"
)

func newCheckCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Check the configuration and rule files, and tell every mistake at once",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(f, os.LookupEnv)
			if err == nil {
				err = c.Alerting.Check(checkLogQL)
			}
			if err != nil {
				fmt.Fprintln(cmd.ErrOrStderr(), err)
				return errReported
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), "The configuration is good.")
			return err
		},
	}
	f.register(cmd)
	return cmd
}
