package batch

import (
	"bytes"
	"encoding/hex"
	"errors"
	"testing"
	"time"

	"github.com/watchfire/watchfire/storage"
)

func encode(t testing.TB, b storage.Block) []byte {
	t.Helper()
	head, tail, err := encodeRecord(b, time.UnixMilli(1_700_000_000_000))
	if err != nil {
		t.Fatal(err)
	}
	return append(append(head, b.Native...), tail...)
}

// A change here makes the spools of installed versions unreadable.
func TestRecordFormat(t *testing.T) {
	b := storage.Block{Table: "logs", Columns: "(`a`)", Rows: 3, Token: "0123", Native: []byte{1, 2, 3}}
	const want = "57465350015004000500000004000000" + // magic, version, state, lengths
		"03000000" + "03000000" + "0068e5cf8b010000" + "f36bfcd9" +
		"6c6f6773" + "2860616029" + "30313233" + "010203" + "b953a8bd"
	got := encode(t, b)
	if hex.EncodeToString(got) != want {
		t.Errorf("got  %x\nwant %s", got, want)
	}
	if int64(len(got)) != recordSize(b) {
		t.Errorf("recordSize is %d, record %d", recordSize(b), len(got))
	}
	back, h, err := decodeRecord(got)
	if err != nil || back.Table != b.Table || back.Columns != b.Columns || back.Rows != 3 || back.Token != b.Token || !bytes.Equal(back.Native, b.Native) {
		t.Errorf("decoded %+v, %v", back, err)
	}
	if h.state != statePending || h.spooled.UnixMilli() != 1_700_000_000_000 {
		t.Errorf("decoded header %+v", h)
	}
}

func TestEveryDamageToARecordIsSeen(t *testing.T) {
	record := encode(t, block(t, "numbers", newToken(), 1, 2, 3))
	for n := range record {
		if _, _, err := decodeRecord(record[:n]); !errors.Is(err, errTorn) {
			t.Fatalf("cut to %d bytes: %v", n, err)
		}
		if n == stateOffset {
			continue
		}
		for bit := range 8 {
			record[n] ^= 1 << bit
			if _, _, err := decodeRecord(record); err == nil {
				t.Fatalf("bit %d of byte %d flipped and not seen", bit, n)
			}
			record[n] ^= 1 << bit
		}
	}
}

func FuzzDecodeRecord(f *testing.F) {
	record := encode(f, block(f, "numbers", "token", 1, 2, 3))
	f.Add(record)
	f.Add(record[:headerSize])
	f.Add(append(bytes.Clone(record[:40]), record...))
	f.Add([]byte("WFSP"))
	f.Fuzz(func(t *testing.T, p []byte) {
		b, h, err := decodeRecord(p)
		if err == nil {
			again, _, err := encodeRecord(b, h.spooled)
			if err != nil {
				t.Fatal(err)
			}
			again[stateOffset] = h.state
			if !bytes.HasPrefix(p, again) {
				t.Fatalf("%x is encoded again as %x", p, again)
			}
		}
		s := surveySegment(bytes.NewReader(p), int64(len(p)))
		if s.first > s.end || s.end > int64(len(p)) || s.bytes > int64(len(p)) {
			t.Fatalf("survey %+v of %d bytes", s, len(p))
		}
	})
}
