package eval

import (
	"context"
	"slices"
	"sort"
	"strings"
	"sync"
)

// MemoryStore is a Store and a History for tests, and for evaluation without
// memory of the past. The zero value is ready.
type MemoryStore struct {
	mu      sync.Mutex
	docs    map[string]memoryDoc
	token   int64
	entries map[string][]Entry
}

type memoryDoc struct {
	data    []byte
	version int64
}

// Load implements Store.
func (m *MemoryStore) Load(_ context.Context, tenant, group string) ([]byte, int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	d := m.docs[tenant+"\xff"+group]
	return d.data, d.version, nil
}

// Save implements Store.
func (m *MemoryStore) Save(_ context.Context, tenant, group string, data []byte, version, token int64) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.docs == nil {
		m.docs = map[string]memoryDoc{}
	}
	key := tenant + "\xff" + group
	if m.docs[key].version != version || token < m.token {
		return 0, ErrConflict
	}
	m.token = token
	m.docs[key] = memoryDoc{append([]byte(nil), data...), version + 1}
	return version + 1, nil
}

// Tenants implements Store.
func (m *MemoryStore) Tenants(context.Context) (ts []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.docs {
		tenant, _, _ := strings.Cut(k, "\xff")
		if !slices.Contains(ts, tenant) {
			ts = append(ts, tenant)
		}
	}
	sort.Strings(ts)
	return ts, nil
}

// Groups implements Store.
func (m *MemoryStore) Groups(_ context.Context, tenant string) (groups []string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k := range m.docs {
		if g, ok := strings.CutPrefix(k, tenant+"\xff"); ok {
			groups = append(groups, g)
		}
	}
	sort.Strings(groups)
	return groups, nil
}

// Delete implements Store.
func (m *MemoryStore) Delete(_ context.Context, tenant, group string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.docs, tenant+"\xff"+group)
	return nil
}

// Append implements History.
func (m *MemoryStore) Append(_ context.Context, tenant string, es []Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.entries == nil {
		m.entries = map[string][]Entry{}
	}
	m.entries[tenant] = append(m.entries[tenant], es...)
	return nil
}

// Entries returns the last limit transitions of an alert, the newest first; an
// empty id means all alerts.
func (m *MemoryStore) Entries(_ context.Context, tenant, id string, limit int) (es []Entry, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := m.entries[tenant]
	for i := len(all) - 1; i >= 0 && len(es) < limit; i-- {
		if id == "" || all[i].ID == id {
			es = append(es, all[i])
		}
	}
	return es, nil
}
