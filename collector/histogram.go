package collector

import (
	"errors"

	"github.com/prometheus/prometheus/model/histogram"
)

// CheckHistogram brings a native histogram, of which one is not nil, within
// Prometheus' schemas, by joining buckets, and says what is wrong with it.
func CheckHistogram(h *histogram.Histogram, fh *histogram.FloatHistogram, maxBuckets int) error {
	schema, buckets, reduce := int32(0), 0, (func(int32) error)(nil)
	if h != nil {
		schema, buckets, reduce = h.Schema, len(h.PositiveBuckets)+len(h.NegativeBuckets)+len(h.CustomValues), h.ReduceResolution
	} else {
		schema, buckets, reduce = fh.Schema, len(fh.PositiveBuckets)+len(fh.NegativeBuckets)+len(fh.CustomValues), fh.ReduceResolution
	}
	if Exceeds(buckets, maxBuckets) {
		return errors.New(Excess("buckets", buckets, "collector.limits.max_buckets", maxBuckets))
	}
	if h != nil && len(h.CustomValues) == 0 {
		h.CustomValues = nil
	}
	if fh != nil && len(fh.CustomValues) == 0 {
		fh.CustomValues = nil
	}
	if histogram.IsExponentialSchemaReserved(schema) && schema > histogram.ExponentialSchemaMax {
		if err := reduce(histogram.ExponentialSchemaMax); err != nil {
			return err
		}
	}
	if h != nil {
		return h.Validate()
	}
	return fh.Validate()
}
