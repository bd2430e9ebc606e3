package otlp

import (
	"encoding/json"
	"strconv"

	"google.golang.org/protobuf/encoding/protowire"
)

// response is an Export…ServiceResponse, the same on the wire for all signals:
// partial_success = 1 with rejected = 1 and error_message = 2.
type response struct {
	rejected int64
	message  string
	field    string // the JSON name of rejected
}

func (r response) partial() []byte {
	var b []byte
	if r.rejected != 0 {
		b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.VarintType), uint64(r.rejected))
	}
	if r.message != "" {
		b = protowire.AppendString(protowire.AppendTag(b, 2, protowire.BytesType), r.message)
	}
	return b
}

func (r response) proto() []byte {
	p := r.partial()
	if p == nil {
		return nil
	}
	return protowire.AppendBytes(protowire.AppendTag(nil, 1, protowire.BytesType), p)
}

func (r response) json() ([]byte, error) {
	if r.rejected == 0 && r.message == "" {
		return []byte("{}"), nil
	}
	return json.Marshal(map[string]any{"partialSuccess": map[string]string{
		r.field: strconv.FormatInt(r.rejected, 10), "errorMessage": r.message,
	}})
}

// SizeProto, MarshalProto and UnmarshalProto are what pdata's gRPC codec asks
// of a message.
func (r *response) SizeProto() int              { return len(r.proto()) }
func (r *response) MarshalProto(dst []byte) int { return copy(dst, r.proto()) }
func (r *response) UnmarshalProto([]byte) error { return nil }
