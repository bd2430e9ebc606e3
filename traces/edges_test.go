package traces

import (
	"slices"
	"strings"
	"testing"

	"github.com/watchfire/watchfire/storage/engine/enginetest"
	"github.com/watchfire/watchfire/telemetry"
)

// call is a span of a service, in cluster c unless its name has one before it.
func call(id, parent byte, service string, kind telemetry.SpanKind, duration int64, attrs ...string) telemetry.Span {
	cluster := "c"
	if before, after, ok := strings.Cut(service, ":"); ok {
		cluster, service = before, after
	}
	s := telemetry.Span{
		TraceID: telemetry.TraceID{15: 1}, SpanID: telemetry.SpanID{7: id}, Name: "op", Kind: kind, Start: testTime + int64(id), Duration: duration,
		Resource: []telemetry.Attribute{
			{Key: "service.name", Value: telemetry.StringValue(service)}, {Key: "k8s.cluster.name", Value: telemetry.StringValue(cluster)},
			{Key: "k8s.namespace.name", Value: telemetry.StringValue("ns")}, {Key: "app.name", Value: telemetry.StringValue("shop")},
		},
	}
	if parent > 0 {
		s.ParentID = telemetry.SpanID{7: parent}
	}
	for i := 0; i < len(attrs); i += 2 {
		s.Attributes = append(s.Attributes, telemetry.Attribute{Key: attrs[i], Value: telemetry.StringValue(attrs[i+1])})
	}
	return s
}

func TestEdges(t *testing.T) {
	const (
		internal, server, client     = telemetry.SpanKindInternal, telemetry.SpanKindServer, telemetry.SpanKindClient
		producer, consumer, unstated = telemetry.SpanKindProducer, telemetry.SpanKindConsumer, telemetry.SpanKindUnspecified
	)
	linked := call(20, 0, "mailer", consumer, 7)
	linked.TraceID = telemetry.TraceID{15: 2}
	linked.Links = []telemetry.SpanLink{{TraceID: telemetry.TraceID{15: 1}, SpanID: telemetry.SpanID{7: 8}}}
	failed := call(5, 4, "cart", server, 40)
	failed.Status = telemetry.StatusError
	spans := []telemetry.Span{
		call(1, 0, "front", server, 100),
		call(2, 1, "front", client, 50, "server.address", "cart.svc"), call(3, 2, "cart", server, 45), // a call
		call(4, 1, "front", client, 55), failed, // another that fails
		call(6, 3, "cart", client, 10, "db.system", "postgresql", "db.name", "orders"), // a database
		call(7, 3, "cart", internal, 5), // not a call
		call(8, 3, "cart", producer, 1, "messaging.system", "kafka", "messaging.destination.name", "mails"), // read by link
		call(9, 3, "cart", producer, 1, "messaging.system", "kafka", "messaging.destination.name", "lost"),  // not read
		call(10, 3, "cart", producer, 2, "messaging.system", "kafka"), call(11, 10, "audit", consumer, 3),   // read by parent
		call(12, 1, "old", unstated, 9),                                                                                // Jaeger's spans without kind
		call(13, 1, "front", client, 5, "peer.service", "bank"), call(14, 1, "front", client, 6, "http.host", "x.com"), // without spans
		call(15, 1, "front", client, 5), call(16, 15, "other:front", server, 4), // another cluster
		call(17, 1, "front", client, 5), call(18, 17, "front", server, 4), // itself
		linked,
	}
	tenant := enginetest.Tenant(t)
	write(t, tenant, spans...)
	write(t, tenant, spans[:8]...) // stored twice
	got, stats, err := reader(t).Edges(t.Context(), tenant, testRange)
	if err != nil || stats.Rows == 0 {
		t.Fatal(err, stats)
	}
	at := func(service string) Endpoint { return Endpoint{service, "shop", "c", "ns"} }
	want := []Edge{
		{at("front"), at("cart"), PeerService, true, 2, 1, 105},
		{at("cart"), Endpoint{Service: "postgresql/orders"}, PeerDatabase, false, 1, 0, 10},
		{at("cart"), at("mailer"), PeerMessaging, true, 1, 0, 1},
		{at("cart"), Endpoint{Service: "kafka/lost"}, PeerMessaging, false, 1, 0, 1},
		{at("cart"), at("audit"), PeerMessaging, true, 1, 0, 2},
		{at("front"), at("old"), PeerService, true, 1, 0, 9},
		{at("front"), Endpoint{Service: "bank"}, PeerService, false, 1, 0, 5},
		{at("front"), Endpoint{Service: "x.com"}, PeerExternal, false, 1, 0, 6},
		{at("front"), Endpoint{"front", "shop", "other", "ns"}, PeerService, true, 1, 0, 5},
	}
	for _, e := range want {
		i := slices.Index(got, e)
		if i < 0 {
			t.Errorf("missing %+v", e)
			continue
		}
		got = slices.Delete(got, i, i+1)
	}
	for _, e := range got {
		t.Errorf("unexpected %+v", e)
	}
	if other, _, err := reader(t).Edges(t.Context(), enginetest.Tenant(t), testRange); err != nil || len(other) != 0 {
		t.Errorf("another tenant has %d edges, %v", len(other), err)
	}
}

func TestOperations(t *testing.T) {
	tenant := enginetest.Tenant(t)
	spans := []telemetry.Span{
		call(1, 0, "front", telemetry.SpanKindServer, 100), call(2, 1, "front", telemetry.SpanKindServer, 300), call(3, 1, "cart", telemetry.SpanKindServer, 10),
	}
	spans[1].Status = telemetry.StatusError
	write(t, tenant, spans...)
	write(t, tenant, spans...)
	got, _, err := reader(t).Operations(t.Context(), tenant, "front", testRange)
	if err != nil || len(got) != 1 {
		t.Fatal(err, got)
	}
	if o := got[0]; o.Service != "front" || o.Name != "op" || o.Calls != 2 || o.Errors != 1 || o.Duration != 400 || o.P99 < o.P50 || o.P99 == 0 {
		t.Errorf("%+v", o)
	}
	services, _, err := reader(t).Services(t.Context(), tenant, testRange)
	if err != nil || !slices.Equal(services, []string{"cart", "front"}) {
		t.Errorf("%v, %v", services, err)
	}
}

func TestPeerOf(t *testing.T) {
	for _, c := range []struct {
		kind       telemetry.SpanKind
		attrs      []string
		want, name string
	}{
		{telemetry.SpanKindServer, []string{"db.system", "mysql"}, "", ""},
		{telemetry.SpanKindClient, nil, "", ""},
		{telemetry.SpanKindClient, []string{"db.system.name", "mysql", "db.namespace", "shop", "server.address", "h"}, PeerDatabase, "mysql/shop"},
		{telemetry.SpanKindClient, []string{"db.system", "redis", "net.peer.name", "h"}, PeerDatabase, "redis@h"},
		{telemetry.SpanKindClient, []string{"db.system", "redis"}, PeerDatabase, "redis"},
		{telemetry.SpanKindProducer, []string{"messaging.system", "kafka", "messaging.destination", "t"}, PeerMessaging, "kafka/t"},
		{telemetry.SpanKindClient, []string{"peer.service", "bank", "server.address", "h"}, PeerService, "bank"},
		{telemetry.SpanKindClient, []string{"server.address", "h"}, PeerExternal, "h"},
	} {
		s := call(1, 0, "x", c.kind, 1, c.attrs...)
		if kind, name := peerOf(&s); kind != c.want || name != c.name {
			t.Errorf("%v: %q %q, want %q %q", c.attrs, kind, name, c.want, c.name)
		}
	}
}

func TestEdgesGolden(t *testing.T) { golden(t, "edges.sql", edgesSQL("t", testRange, 100)+"\n") }
