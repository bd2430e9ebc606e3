// Package batch is how rows get into ClickHouse: many small writes are
// gathered into few large inserts (group commit), and every writer waits until
// its own rows are stored durably. A Spool in front of the client keeps
// accepting writes, on disk, while ClickHouse can't be reached.
//
// Acknowledged means stored: Ticket.Wait returns nil only after ClickHouse has
// fsynced the insert or the spool has fsynced its file. A write that was not
// acknowledged may be stored all the same; the sender repeats it, and queries
// collapse equal rows.
package batch
