package notify

import (
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// registerer gives a tenant's Alertmanager metrics the tenant's label, and
// takes them away with it.
type registerer struct {
	prometheus.Registerer
	mu         sync.Mutex
	collectors []prometheus.Collector
}

func newRegisterer(reg prometheus.Registerer, tenant string) *registerer {
	return &registerer{Registerer: prometheus.WrapRegistererWith(prometheus.Labels{"tenant": tenant}, reg)}
}

// Register implements prometheus.Registerer.
func (r *registerer) Register(c prometheus.Collector) error {
	if err := r.Registerer.Register(c); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.collectors = append(r.collectors, c)
	return nil
}

// MustRegister implements prometheus.Registerer.
func (r *registerer) MustRegister(cs ...prometheus.Collector) {
	for _, c := range cs {
		if err := r.Register(c); err != nil {
			panic(err)
		}
	}
}

func (r *registerer) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, c := range r.collectors {
		r.Unregister(c)
	}
	r.collectors = nil
}
