package load

import (
	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// encoder cuts time series into remote-write 1.0 bodies, snappy compressed.
// Its buffers are used again for every body.
type encoder struct {
	req          prompb.WriteRequest
	samples      int
	raw, packed  []byte
	size         int // samples in a body, at most unless one series has more
	send         func(body []byte, samples int) error
	spareSamples [][]prompb.Sample
}

// add appends a series with a sample for each time; value is asked in order.
func (e *encoder) add(labels []prompb.Label, times []int64, value func() float64) error {
	if e.samples > 0 && e.samples+len(times) > e.size {
		if err := e.flush(); err != nil {
			return err
		}
	}
	n := len(e.req.Timeseries)
	if n == len(e.spareSamples) {
		e.spareSamples = append(e.spareSamples, nil)
	}
	samples := e.spareSamples[n][:0]
	for _, t := range times {
		samples = append(samples, prompb.Sample{Timestamp: t, Value: value()})
	}
	e.spareSamples[n] = samples
	e.req.Timeseries = append(e.req.Timeseries, prompb.TimeSeries{Labels: labels, Samples: samples})
	e.samples += len(times)
	return nil
}

func (e *encoder) flush() error {
	if e.samples == 0 {
		return nil
	}
	if s := e.req.Size(); cap(e.raw) < s {
		e.raw = make([]byte, s)
	}
	k, err := e.req.MarshalTo(e.raw[:cap(e.raw)])
	if err != nil {
		return err
	}
	e.packed = snappy.Encode(e.packed[:cap(e.packed)], e.raw[:k])
	n := e.samples
	e.req.Timeseries, e.samples = e.req.Timeseries[:0], 0
	return e.send(e.packed, n)
}
