package main

import (
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/watchfire/watchfire/storage"
)

func newMigrateCommand() *cobra.Command {
	var f flags
	var dryRun, render bool
	cmd := &cobra.Command{
		Use:   "migrate",
		Short: "Bring the schema up to date, or show what that would do",
		Long: "Bring the schema up to date. serve does so by itself; this is for those who want to see the statements first,\n" +
			"or who start several replicas. --render prints the whole schema without a database.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := loadConfig(f, os.LookupEnv)
			if err != nil {
				return err
			}
			if render {
				_, err := cmd.OutOrStdout().Write([]byte(storage.RenderMigrations(c.flavour(), migrations())))
				return err
			}
			log := newLogger(c.Log)
			db, err := openDatabase(cmd.Context(), c, prometheus.NewRegistry(), log)
			if err != nil {
				return err
			}
			defer db.close()
			if dryRun {
				return storage.Migrate(cmd.Context(), db.client, c.flavour(), migrations(), storage.DryRun(cmd.OutOrStdout()))
			}
			return db.migrate(cmd.Context(), c, log)
		},
	}
	f.register(cmd)
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "print the statements that are missing and run none")
	cmd.Flags().BoolVar(&render, "render", false, "print the statements of the whole schema, without a database")
	return cmd
}
