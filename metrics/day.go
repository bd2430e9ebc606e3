package metrics

import "time"

// msPerDay is the length of a UTC day.
const msPerDay = 24 * 60 * 60 * 1000

// maxDay is the last day that ClickHouse's Date holds, in 2149.
const maxDay = day(65535)

// day counts UTC days from 1970-01-01, clamped to what a Date holds; it is
// dayOf in Go.
type day uint16

// dayAt is the day of a time in Unix milliseconds.
func dayAt(ms int64) day { return day(max(0, min(int64(maxDay), ms/msPerDay))) }

// month returns the day that begins d's month, and d's bit within the month:
// bit 0 is the 1st.
func (d day) month() (first day, bit uint32) {
	n := time.Unix(int64(d)*86400, 0).UTC().Day() - 1
	return d - day(n), 1 << n
}

// String is the day as YYYY-MM-DD.
func (d day) String() string { return time.Unix(int64(d)*86400, 0).UTC().Format(time.DateOnly) }

// monthDays is a set of days within one month.
type monthDays struct {
	first day
	bits  uint32
}

// monthsBetween lists the days of [mint, maxt] by month, oldest first.
func monthsBetween(mint, maxt int64) []monthDays {
	var out []monthDays
	for d, last := dayAt(mint), dayAt(maxt); ; d++ {
		first, bit := d.month()
		if n := len(out); n > 0 && out[n-1].first == first {
			out[n-1].bits |= bit
		} else {
			out = append(out, monthDays{first: first, bits: bit})
		}
		if d >= last {
			return out
		}
	}
}
