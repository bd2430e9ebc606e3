package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/storage/records"
)

// A backup is two files beside each other on the backup disk: the ClickHouse
// database and the records.
const (
	backupDatabase = ".tar"
	backupRecords  = ".records"
)

func newBackupCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "backup [NAME]",
		Short: "Back up the telemetry and the records",
		Long: "Back up everything while serve is stopped: the telemetry as NAME.tar and the records as NAME.records, in the\n" +
			"backups folder of the data folder (storage.engine.backups). NAME is the time when it is not given.",
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := time.Now().UTC().Format("20060102T150405Z")
			if len(args) == 1 {
				name = args[0]
			}
			return withDatabase(cmd.Context(), f, func(c config, db *database, rec *records.DB) error {
				begun := time.Now()
				if err := storage.Backup(cmd.Context(), db.client, name+backupDatabase, ""); err != nil {
					return fmt.Errorf("cannot back up the telemetry as %s: %w", name, err)
				}
				if err := rec.Backup(cmd.Context(), filepath.Join(c.backups(), name+backupRecords)); err != nil {
					return fmt.Errorf("cannot back up the records as %s: %w", name, err)
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "Backed up as %s in %s.\n", filepath.Join(c.backups(), name), time.Since(begun).Round(time.Millisecond))
				return err
			})
		},
	}
	f.register(cmd)
	return cmd
}

func newRestoreCommand() *cobra.Command {
	var f flags
	cmd := &cobra.Command{
		Use:   "restore NAME",
		Short: "Restore a backup into an empty data folder",
		Long: "Restore what `watchfire backup NAME` made: NAME.tar and NAME.records have to be in the backups folder of the\n" +
			"data folder (storage.engine.backups). The data folder must hold no telemetry.",
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			return withDatabase(cmd.Context(), f, func(c config, db *database, rec *records.DB) error {
				if err := storage.Restore(cmd.Context(), db.client, name+backupDatabase); err != nil {
					return fmt.Errorf("cannot restore the telemetry of %s: %w", name, err)
				}
				if err := rec.Restore(cmd.Context(), filepath.Join(c.backups(), name+backupRecords)); err != nil {
					return fmt.Errorf("cannot restore the records of %s: %w", name, err)
				}
				if err := db.migrate(cmd.Context(), c, newLogger(c.Log)); err != nil {
					return err
				}
				_, err := fmt.Fprintf(cmd.OutOrStdout(), "Restored %s.\n", name)
				return err
			})
		},
	}
	f.register(cmd)
	return cmd
}

// backups is the folder that backups are in.
func (c config) backups() string {
	if c.Storage.Engine.Backups != "" {
		return c.Storage.Engine.Backups
	}
	return filepath.Join(c.Storage.Engine.Data, "backups")
}

// withDatabase opens everything that is kept, as serve would.
func withDatabase(ctx context.Context, f flags, fn func(config, *database, *records.DB) error) error {
	c, err := loadConfig(f, os.LookupEnv)
	if err != nil {
		return err
	}
	log := newLogger(c.Log)
	db, err := openDatabase(ctx, c, prometheus.NewRegistry(), log)
	if err != nil {
		return err
	}
	defer db.close()
	rec, err := records.Open(ctx, c.Storage.Records, log)
	if err != nil {
		return err
	}
	return errors.Join(fn(c, db, rec), rec.Close())
}
