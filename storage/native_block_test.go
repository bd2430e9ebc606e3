package storage

import (
	"bytes"
	"testing"
	"time"

	"github.com/ClickHouse/ch-go/proto"
)

// EveryType is an input with the types that rooms use, three rows each.
func EveryType() proto.Input {
	var (
		str    proto.ColStr
		ints   proto.ColInt64
		floats proto.ColFloat64
		fixed  = proto.ColFixedStr{Size: 16}
		low    = new(proto.ColStr).LowCardinality()
		array  = new(proto.ColUInt32).Array()
		nested = new(proto.ColStr).LowCardinality().Array()
		m      = proto.NewMap[string, string](new(proto.ColStr).LowCardinality(), new(proto.ColStr))
		null   = new(proto.ColStr).Nullable()
		at     = new(proto.ColDateTime64).WithPrecision(9)
		tuple  = proto.ColTuple{new(proto.ColUInt8), new(proto.ColStr)}
		flag   proto.ColBool
		id     proto.ColUInt128
		enum   proto.ColEnum8
	)
	for i := range 3 {
		str.Append("a longer or shorter text"[:i*8])
		ints.Append(int64(i))
		floats.Append(float64(i))
		fixed.Append(bytes.Repeat([]byte{byte(i)}, 16))
		low.Append([]string{"x", "y", "x"}[i])
		array.Append(make([]uint32, i))
		nested.Append([]string{"p", "q"}[:i%2])
		m.Append(map[string]string{"k": "v"})
		null.Append(proto.Nullable[string]{Set: i == 1, Value: "n"})
		at.Append(time.Unix(int64(i), 7))
		tuple[0].(*proto.ColUInt8).Append(uint8(i))
		tuple[1].(*proto.ColStr).Append("t")
		flag.Append(i == 0)
		id.Append(proto.UInt128{Low: uint64(i)})
		enum.Append(1)
	}
	return proto.Input{
		{Name: "str", Data: &str}, {Name: "ints", Data: &ints}, {Name: "floats", Data: &floats}, {Name: "fixed", Data: &fixed},
		{Name: "low", Data: low}, {Name: "array", Data: array}, {Name: "nested", Data: nested}, {Name: "m", Data: m},
		{Name: "null", Data: null}, {Name: "at", Data: at}, {Name: "tuple", Data: tuple}, {Name: "flag", Data: &flag},
		{Name: "id", Data: &id}, {Name: "enum", Data: proto.Wrap(&enum, `'a' = 1, 'b, (' = 2`)},
	}
}

func TestSplitBlockKeepsEveryByte(t *testing.T) {
	in := EveryType()
	b, err := NewBlock("t", "", 3, in)
	if err != nil {
		t.Fatal(err)
	}
	out, err := splitBlock(b.Native)
	if err != nil {
		t.Fatal(err)
	}
	if len(out) != len(in) {
		t.Fatalf("got %d columns, want %d", len(out), len(in))
	}
	again, err := NewBlock("t", "", 3, out)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(again.Native, b.Native) {
		t.Error("the block is not the same after splitting")
	}
	for i := range b.Native {
		if _, err := splitBlock(b.Native[:i]); err == nil {
			t.Fatalf("no error for the first %d of %d bytes", i, len(b.Native))
		}
	}
}

func FuzzSplitBlock(f *testing.F) {
	b, err := NewBlock("t", "", 3, EveryType())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b.Native)
	f.Add([]byte("\x01\x01\x01n\x05Tuple"))
	f.Add([]byte("\x01\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x01n\x06UInt64"))
	f.Add([]byte("\x01\x01\x01n\x0eFixedString(0)"))
	f.Fuzz(func(t *testing.T, native []byte) {
		in, err := splitBlock(native)
		if err != nil {
			return
		}
		n := 0
		for _, c := range in {
			n += len(c.Data.(rawColumn).data)
		}
		if n > len(native) {
			t.Errorf("%d bytes of columns in a block of %d", n, len(native))
		}
	})
}
