package storage

import (
	"context"
	"fmt"
	"regexp"
)

// BackupDisk is the disk that backups go to: the embedded engine has it, a
// server needs one of this name in storage_configuration and in
// backups.allowed_disk.
const BackupDisk = "backups"

// backupName keeps names within the disk, and readable.
var backupName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*(\.tar)?$`)

// Backup writes the client's database to a new backup on BackupDisk: one .tar
// file when name ends so, else a folder. base, unless empty, names an earlier
// backup; only what it does not have is written then, and it is needed to
// restore this one. What is inserted meanwhile may be in the backup or not.
func Backup(ctx context.Context, c *Client, name, base string) error {
	settings := ""
	if base != "" {
		disk, err := backupDisk(base)
		if err != nil {
			return err
		}
		settings = " SETTINGS base_backup = " + disk
	}
	disk, err := backupDisk(name)
	if err != nil {
		return err
	}
	if err := c.Exec(ctx, fmt.Sprintf("BACKUP DATABASE %s TO %s%s", Ident(c.database), disk, settings)); err != nil {
		return fmt.Errorf("cannot write backup %s: %w", name, err)
	}
	return nil
}

// Restore brings back the tables of a backup into the client's database, under
// the name that the database had when it was backed up. Tables that have rows
// already make it fail.
func Restore(ctx context.Context, c *Client, name string) error {
	disk, err := backupDisk(name)
	if err != nil {
		return err
	}
	if err := c.Exec(ctx, fmt.Sprintf("RESTORE DATABASE %s FROM %s", Ident(c.database), disk)); err != nil {
		return fmt.Errorf("cannot restore backup %s: %w", name, err)
	}
	return nil
}

func backupDisk(name string) (string, error) {
	if !backupName.MatchString(name) {
		return "", fmt.Errorf("backup name %q should have letters, digits, '.', '_' and '-' only", name)
	}
	return fmt.Sprintf("Disk(%s, %s)", String(BackupDisk), String(name)), nil
}
