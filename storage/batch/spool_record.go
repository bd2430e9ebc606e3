package batch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"time"

	"github.com/watchfire/watchfire/storage"
)

// A record is one block on disk, little endian:
//
//	 0  4  magic "WFSP"
//	 4  1  version, 1
//	 5  1  state, the one byte that changes later
//	 6  2  length of the table's name
//	 8  4  length of the column list
//	12  2  length of the token
//	14  2  zero
//	16  4  rows
//	20  4  length of the Native bytes
//	24  8  when it was spooled, Unix milliseconds
//	32  4  CRC-32C of the bytes 0 to 31, with state as zero
//	36     table, columns, token, Native
//	 n  4  CRC-32C of the bytes 36 to n-1
//
// The header has its own checksum so that a record with a damaged body can be
// stepped over.
const (
	recordMagic   = "WFSP"
	recordVersion = 1
	headerSize    = 36
	trailerSize   = 4
	maxNative     = 1 << 30

	statePending  = 'P'
	stateDone     = 'D' // stored in ClickHouse
	stateRejected = 'R' // ClickHouse will never take it
	stateCorrupt  = 'C' // the body does not match its checksum

	stateOffset = 5
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var (
	errTorn    = errors.New("record is cut short")
	errCorrupt = errors.New("record is corrupt")
)

type header struct {
	state                 byte
	table, columns, token int // lengths
	native                int // length
	rows                  int
	spooled               time.Time
}

func (h header) size() int64 {
	return headerSize + int64(h.table) + int64(h.columns) + int64(h.token) + int64(h.native) + trailerSize
}

func recordSize(b storage.Block) int64 {
	return header{table: len(b.Table), columns: len(b.Columns), token: len(b.Token), native: len(b.Native)}.size()
}

// encodeRecord returns what goes before and after b.Native.
func encodeRecord(b storage.Block, now time.Time) (head, tail []byte, err error) {
	if len(b.Table) > math.MaxUint16 || len(b.Token) > math.MaxUint16 || len(b.Native) > maxNative || b.Rows < 0 || b.Rows > math.MaxInt32 {
		return nil, nil, fmt.Errorf("cannot spool %d rows of %d bytes for table %.100s: too large for a record", b.Rows, len(b.Native), b.Table)
	}
	le := binary.LittleEndian
	head = make([]byte, 0, headerSize+len(b.Table)+len(b.Columns)+len(b.Token))
	head = append(head, recordMagic...)
	head = append(head, recordVersion, 0)
	head = le.AppendUint16(head, uint16(len(b.Table)))
	head = le.AppendUint32(head, uint32(len(b.Columns)))
	head = le.AppendUint16(head, uint16(len(b.Token)))
	head = le.AppendUint16(head, 0)
	head = le.AppendUint32(head, uint32(b.Rows))
	head = le.AppendUint32(head, uint32(len(b.Native)))
	head = le.AppendUint64(head, uint64(now.UnixMilli()))
	head = le.AppendUint32(head, crc32.Checksum(head, castagnoli))
	head[stateOffset] = statePending
	head = append(head, b.Table...)
	head = append(head, b.Columns...)
	head = append(head, b.Token...)
	sum := crc32.Update(crc32.Checksum(head[headerSize:], castagnoli), castagnoli, b.Native)
	return head, le.AppendUint32(nil, sum), nil
}

// decodeHeader reads the first bytes of a record. The error is errTorn or
// wraps errCorrupt.
func decodeHeader(p []byte) (header, error) {
	if len(p) < headerSize {
		return header{}, errTorn
	}
	le := binary.LittleEndian
	plain := [headerSize - 4]byte(p[:headerSize-4])
	plain[stateOffset] = 0
	switch {
	case string(plain[:4]) != recordMagic:
		return header{}, fmt.Errorf("%w: no magic", errCorrupt)
	case crc32.Checksum(plain[:], castagnoli) != le.Uint32(p[32:]):
		return header{}, fmt.Errorf("%w: checksum of the header", errCorrupt)
	case plain[4] != recordVersion:
		return header{}, fmt.Errorf("%w: version %d, this program knows %d", errCorrupt, plain[4], recordVersion)
	}
	h := header{
		state:   p[stateOffset],
		table:   int(le.Uint16(p[6:])),
		columns: int(le.Uint32(p[8:])),
		token:   int(le.Uint16(p[12:])),
		rows:    int(le.Uint32(p[16:])),
		native:  int(le.Uint32(p[20:])),
		spooled: time.UnixMilli(int64(le.Uint64(p[24:]))),
	}
	if h.native > maxNative || h.columns > maxNative || h.rows > math.MaxInt32 {
		return header{}, fmt.Errorf("%w: lengths", errCorrupt)
	}
	return h, nil
}

// decodeRecord reads one whole record from the start of p. The block shares
// p's memory.
func decodeRecord(p []byte) (storage.Block, header, error) {
	h, err := decodeHeader(p)
	if err != nil {
		return storage.Block{}, header{}, err
	}
	if int64(len(p)) < h.size() {
		return storage.Block{}, h, errTorn
	}
	body := p[headerSize : h.size()-trailerSize]
	if crc32.Checksum(body, castagnoli) != binary.LittleEndian.Uint32(p[h.size()-trailerSize:]) {
		return storage.Block{}, h, fmt.Errorf("%w: checksum of the body", errCorrupt)
	}
	cut := func(n int) []byte {
		part := body[:n:n]
		body = body[n:]
		return part
	}
	b := storage.Block{Rows: h.rows}
	b.Table = string(cut(h.table))
	b.Columns = string(cut(h.columns))
	b.Token = string(cut(h.token))
	b.Native = cut(h.native)
	return b, h, nil
}
