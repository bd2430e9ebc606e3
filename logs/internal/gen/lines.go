package gen

import (
	"fmt"
	"time"

	"github.com/watchfire/watchfire/telemetry"
)

var (
	namespaces = []string{"shop", "shop", "payments", "platform", "kube-system"}
	methods    = []string{"GET", "GET", "GET", "GET", "POST", "PUT", "DELETE"}
	paths      = []string{
		"/api/v1/products/%d", "/api/v1/cart/%d/items", "/api/v1/orders/%d", "/static/js/app.%d.js", "/api/v1/users/%d/profile",
		"/healthz?probe=%d", "/api/v1/search?q=item&page=%d", "/checkout/%d/confirm", "/login?next=%d",
	}
	agents = []string{
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Mobile/15E148 Safari/604.1",
		"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0", "kube-probe/1.36", "okhttp/4.12.0", "curl/8.5.0",
	}
	classes = []string{
		"c.e.orders.OrderService", "c.e.orders.web.OrderController", "c.e.payments.PaymentGateway",
		"o.h.engine.jdbc.spi.SqlExceptionHelper", "c.e.common.kafka.EventPublisher",
	}
	zapMessages = []string{
		"request completed", "cache miss, loading from database", "published event", "retrying upstream call", "item reserved", "session refreshed",
	}
	logfmtMessages = []string{
		"query executed", "index refreshed", "upstream responded", "batch flushed", "lease renewed", "slow request",
	}
	statements = []string{
		"SELECT id, sku, price FROM products WHERE id = %d", "UPDATE stock SET reserved = reserved + 1 WHERE sku = 'SKU-%06d'",
		"INSERT INTO order_items (order_id, sku, qty) VALUES (%d, 'SKU-1001', 1)", "SELECT o.* FROM orders o JOIN users u ON u.id = o.user_id WHERE u.id = %d",
	}
	trace = []string{
		"java.sql.SQLTransientConnectionException: HikariPool-1 - Connection is not available, request timed out after 30000ms.",
		"\tat com.zaxxer.hikari.pool.HikariPool.createTimeoutException(HikariPool.java:696)",
		"\tat com.zaxxer.hikari.pool.HikariPool.getConnection(HikariPool.java:197)",
		"\tat com.example.orders.OrderRepository.find(OrderRepository.java:58)",
		"\tat com.example.orders.OrderService.load(OrderService.java:112)",
		"\tat java.base/java.lang.Thread.run(Thread.java:1583)",
	}
)

func (g *Generator) at() time.Time         { return time.Unix(0, g.now).UTC() }
func (g *Generator) of(ss []string) string { return ss[g.r.IntN(len(ss))] }
func (g *Generator) ip() string {
	n := g.users.Uint64() * 2654435761
	return fmt.Sprintf("%d.%d.%d.%d", 11+n%180, n>>8&255, n>>16&255, n>>24&255)
}

// severity is info mostly, with some debug, warnings and errors.
func (g *Generator) severity() (telemetry.Severity, string) {
	switch n := g.r.IntN(100); {
	case n < 80:
		return 9, "info"
	case n < 90:
		return 5, "debug"
	case n < 97:
		return 13, "warn"
	}
	return 17, "error"
}

func (g *Generator) access(*stream) telemetry.Severity {
	status, sev := 200, telemetry.Severity(9)
	switch n := g.r.IntN(100); {
	case n > 97:
		status, sev = 502, 17
	case n > 92:
		status, sev = 404, 13
	case n > 88:
		status = 304
	}
	g.printf(`%s - - [%s] "%s `, g.ip(), g.at().Format("02/Jan/2006:15:04:05 -0700"), g.of(methods))
	g.printf(g.of(paths), g.users.Uint64())
	g.printf(` HTTP/1.1" %d %d "https://shop.example.com/" "%s" rt=%.3f`, status, g.users.Uint64()*7, g.of(agents), g.r.ExpFloat64()*0.08)
	return sev
}

func (g *Generator) zap(s *stream) telemetry.Severity {
	sev, level := g.severity()
	g.printf(`{"level":"%s","ts":"%s","caller":"%s/handler.go:%d","msg":"%s","user":"u-%d","duration_ms":%.2f,"region":"eu-central-1","env":"production","logger":"http.server"`,
		level, g.at().Format("2006-01-02T15:04:05.000Z"), s.app, 40+g.r.IntN(12)*13, g.of(zapMessages), g.users.Uint64(), g.r.ExpFloat64()*20)
	if g.r.IntN(2) == 0 {
		g.printf(`,"request_id":"%016x"`, g.r.Uint64())
	}
	g.printf(`,"version":"v2.14.%d"}`, len(s.pod)%4)
	return sev
}

func (g *Generator) logfmt(s *stream) telemetry.Severity {
	sev, level := g.severity()
	g.printf(`ts=%s caller=%s.go:%d level=%s component=%s msg="%s" rows=%d took=%.3fms cache=%t`,
		g.at().Format("2006-01-02T15:04:05.000000Z"), s.app, 20+g.r.IntN(10)*17, level, s.app, g.of(logfmtMessages), g.users.Uint64(), g.r.ExpFloat64()*5, g.r.IntN(4) > 0)
	if g.r.IntN(2) == 0 {
		g.printf(` request_id=%016x`, g.r.Uint64())
	}
	if sev > 12 {
		g.printf(` err="rpc error: code = Unavailable desc = connection error: dial tcp 10.0.%d.%d:8080: connect: connection refused"`, g.r.IntN(4), g.r.IntN(250))
	}
	return sev
}

func (g *Generator) java(*stream) telemetry.Severity {
	sev, level := g.severity()
	g.printf("%s %-5s [http-nio-8080-exec-%d] %s - ", g.at().Format("2006-01-02 15:04:05.000"), level, g.r.IntN(32), g.of(classes))
	switch g.r.IntN(4) {
	case 0:
		g.printf("Order %d accepted for customer %d, total %d.%02d EUR, payment method card, correlation %016x", 10_000_000+g.now>>24&0xffffff, g.users.Uint64(), g.r.IntN(400), g.r.IntN(100), g.r.Uint64())
	case 1:
		g.printf("Published OrderCreated to topic orders.v2 partition %d offset %d in %d ms, key customer-%d", g.r.IntN(12), g.now>>20&0xffffffff, g.r.IntN(30), g.users.Uint64())
	case 2:
		g.printf("Payment authorised by provider stripe in %d ms for customer %d, risk score 0.%02d, three-d-secure not required", g.r.IntN(900), g.users.Uint64(), g.r.IntN(100))
	default:
		g.printf("Loaded %d items for cart of customer %d from cache region carts, hit ratio 0.%02d", g.r.IntN(12), g.users.Uint64(), 80+g.r.IntN(20))
	}
	if sev >= 17 && g.r.IntN(4) == 0 {
		g.pending = trace
	}
	return sev
}

func (g *Generator) python(*stream) telemetry.Severity {
	sev, level := g.severity()
	g.printf("[%s] [%d] [%s] recommendation.model: scored %d candidates for user=%d model=als-2026-01 in %.1fms (feature store hits=%d misses=%d, feature set v14, endpoint /v1/recommend)",
		g.at().Format("2006-01-02 15:04:05 -0700"), 7+g.r.IntN(4), level, 50+g.r.IntN(4)*50, g.users.Uint64(), g.r.ExpFloat64()*30, g.r.IntN(50), g.r.IntN(5))
	return sev
}

func (g *Generator) postgres(*stream) telemetry.Severity {
	g.printf("%s [%d] app@shop app=shop-backend client=10.0.3.17 LOG:  duration: %.3f ms  execute <unnamed>: ", g.at().Format("2006-01-02 15:04:05.000 MST"), 2000+g.r.IntN(60), g.r.ExpFloat64()*9)
	g.printf(g.of(statements), g.users.Uint64())
	return 9
}

func (g *Generator) klog(*stream) telemetry.Severity {
	g.printf(`I%s    1743 kubelet.go:%d] "SyncLoop (PLEG): event for pod" pod="shop/checkout-%08x-%05x" event={"ID":"%08x-%04x","Type":"ContainerStarted"}`,
		g.at().Format("0102 15:04:05.000000"), 1900+g.r.IntN(6)*31, g.users.Uint64()%40*2654435761&0xffffffff, g.users.Uint64(), g.users.Uint64()*2654435761&0xffffffff, g.r.IntN(65536))
	return 9
}
