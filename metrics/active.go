package metrics

import "sync"

// activeSeries counts the series of each tenant by day, for the limit on them.
type activeSeries struct {
	mu     sync.Mutex
	counts map[string]map[day]int
}

// maxCountedDays bounds the days that are counted per tenant; samples of
// others (a backfill) are not limited by number of series.
const maxCountedDays = 64

func newActiveSeries() *activeSeries { return &activeSeries{counts: map[string]map[day]int{}} }

// reserve counts one more series unless there are most already.
func (a *activeSeries) reserve(tenant string, d day, most int) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	days := a.counts[tenant]
	if days == nil {
		days = map[day]int{}
		a.counts[tenant] = days
	}
	if most > 0 && days[d] >= most {
		return false
	}
	if _, ok := days[d]; !ok && len(days) >= maxCountedDays {
		delete(days, oldest(days))
	}
	days[d]++
	return true
}

// release takes a reservation back.
func (a *activeSeries) release(tenant string, d day) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if days := a.counts[tenant]; days[d] > 0 {
		days[d]--
	}
}

// count is the number of series of a tenant on a day.
func (a *activeSeries) count(tenant string, d day) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.counts[tenant][d]
}

func oldest(days map[day]int) day {
	first := maxDay
	for d := range days {
		first = min(first, d)
	}
	return first
}
