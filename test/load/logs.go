package load

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// Logs makes log lines of services in the forms that platforms really have.
// Lines are about 200 bytes.
type Logs struct {
	rng *rand.Rand
}

// NewLogs starts a generator.
func NewLogs(seed uint64) *Logs { return &Logs{rng: rand.New(rand.NewPCG(seed, 2))} }

// Services are the streams of the generator.
var Services = []string{"cart", "checkout", "payment", "catalog", "frontend", "shipping", "nginx", "postgres", "kernel", "auth"}

var (
	levels    = []string{"info", "info", "info", "info", "info", "info", "debug", "debug", "warn", "error"}
	verbs     = []string{"GET", "GET", "GET", "POST", "PUT", "DELETE"}
	resources = []string{"orders", "users", "carts", "products", "payments", "sessions", "invoices", "shipments"}
	messages  = []string{
		"request completed", "cache miss, reading through", "connection to upstream established", "retrying after timeout",
		"user session refreshed", "stock level below threshold", "message published to topic", "slow query detected",
		"rate limit applied to client", "transaction committed",
	}
	classes = []string{"com.example.order.OrderService", "com.example.pay.GatewayClient", "com.example.user.SessionStore", "com.example.stock.Ledger"}
)

// Next makes a line of service at time t.
func (g *Logs) Next(service string, t time.Time) string {
	level := levels[g.rng.IntN(len(levels))]
	switch service {
	case "nginx":
		return fmt.Sprintf(`10.%d.%d.%d - - [%s] "%s /api/v1/%s/%d HTTP/1.1" %d %d "-" "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0" rt=%.3f`,
			g.rng.IntN(4), g.rng.IntN(256), g.rng.IntN(256), t.UTC().Format("02/Jan/2006:15:04:05 -0700"), pick(g.rng, verbs), pick(g.rng, resources),
			g.rng.IntN(100000), []int{200, 200, 200, 200, 201, 304, 404, 500}[g.rng.IntN(8)], g.rng.IntN(20000), 100+g.rng.IntN(30), g.rng.ExpFloat64()*0.1)
	case "postgres":
		return fmt.Sprintf(`%s [%d] LOG:  duration: %.3f ms  statement: SELECT id, total, state FROM %s WHERE customer_id = %d AND created_at > now() - interval '%d days' ORDER BY created_at DESC LIMIT 50`,
			t.UTC().Format("2006-01-02 15:04:05.000 MST"), 1000+g.rng.IntN(60), g.rng.ExpFloat64()*20, pick(g.rng, resources), g.rng.IntN(100000), 1+g.rng.IntN(30))
	case "kernel":
		return fmt.Sprintf("[%d.%06d] eth%d: link state %s, speed %d Mbps, full duplex, flow control rx/tx, driver mlx5_core firmware 16.35.%d, queue %d restarted after %d timeouts",
			t.Unix()%1000000, g.rng.IntN(1000000), g.rng.IntN(4), []string{"up", "down"}[g.rng.IntN(2)], []int{1000, 10000, 25000}[g.rng.IntN(3)], g.rng.IntN(9999), g.rng.IntN(32), g.rng.IntN(5))
	case "auth", "payment":
		line := fmt.Sprintf("%s %5s [%s-%d] %s - %s for %s %d in %d ms", t.UTC().Format("2006-01-02 15:04:05.000"), strings.ToUpper(level), service, g.rng.IntN(16),
			pick(g.rng, classes), pick(g.rng, messages), pick(g.rng, resources), g.rng.IntN(100000), g.rng.IntN(900))
		if level == "error" {
			line += ": java.net.SocketTimeoutException: Read timed out at " + pick(g.rng, classes) + fmt.Sprintf(".call(Client.java:%d)", g.rng.IntN(400))
		}
		return line
	}
	return fmt.Sprintf(`{"ts":"%s","level":"%s","service":"%s","msg":"%s","method":"%s","path":"/api/v1/%s/%d","status":%d,"duration_ms":%.2f,"trace_id":"%016x%016x"}`,
		t.UTC().Format(time.RFC3339Nano), level, service, pick(g.rng, messages), pick(g.rng, verbs), pick(g.rng, resources), g.rng.IntN(100000),
		[]int{200, 200, 200, 201, 404, 500}[g.rng.IntN(6)], g.rng.ExpFloat64()*40, g.rng.Uint64(), g.rng.Uint64())
}

func pick(r *rand.Rand, from []string) string { return from[r.IntN(len(from))] }
