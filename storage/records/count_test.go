package records_test

import (
	"context"
	"errors"

	"github.com/watchfire/watchfire/storage/records"
)

// count adds one to a document, as an optimistic client does.
func count(ctx context.Context, db *records.DB) error {
	for {
		n, version := 0, records.Absent
		d, err := db.Get(ctx, key("counter"))
		switch {
		case err == nil:
			if err := d.Decode(&n); err != nil {
				return err
			}
			version = d.Version
		case !errors.Is(err, records.ErrNotFound):
			return err
		}
		_, err = db.Put(ctx, key("counter"), n+1, version)
		if !errors.Is(err, records.ErrConflict) {
			return err
		}
	}
}
