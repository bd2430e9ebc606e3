package metrics

import (
	"context"
	"fmt"

	"github.com/ClickHouse/ch-go/proto"

	"github.com/watchfire/watchfire/storage"
	"github.com/watchfire/watchfire/telemetry"
)

// Warm reads which series are registered for today, so that after a restart
// they are not registered again and count for the limit on series. It is
// called before Run; without it the Writer works all the same.
func (w *Writer) Warm(ctx context.Context, client *storage.Client) error {
	today := dayAt(w.now().UnixMilli())
	month, bit := today.month()
	var (
		tenant = proto.ColLowCardinalityRaw{Index: new(proto.ColStr)}
		ids    proto.ColUInt128
		days   proto.ColUInt32
		kind   proto.ColUInt8
		names  []string
	)
	_, err := client.Select(ctx, storage.Select{
		SQL: fmt.Sprintf("SELECT tenant, id, toUInt32(days), toUInt8(kinds) FROM %s WHERE month = '%s' AND bitAnd(days, %d) != 0 LIMIT %d",
			seriesTable.Name, month, bit, w.known.capacity()),
		Result: proto.Results{{Name: "tenant", Data: &tenant}, {Name: "id", Data: &ids}, {Name: "toUInt32(days)", Data: &days}, {Name: "toUInt8(kinds)", Data: &kind}},
		OnBlock: func(n int) error {
			names = dictionary(names, tenant.Index.(*proto.ColStr))
			for i := range n {
				id := telemetry.SeriesID{Hi: ids[i].High, Lo: ids[i].Low}
				if w.known.mark(id, month, days[i], kinds(kind[i]))&bit != 0 {
					w.active.reserve(names[key(&tenant, i)], today, 0)
				}
			}
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("cannot read today's series: %w", err)
	}
	return nil
}
