package e2e

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/watchfire/watchfire/test/harness"
)

func TestTracesFromOTLPToTempoAndJaeger(t *testing.T) {
	w := watchfire(t)
	now := time.Now().UnixNano()
	const id = "5b8efff798038103d269b633813fc60c"
	body := fmt.Sprintf(`{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"e2e-cart"}}]},"scopeSpans":[{"spans":[
		{"traceId":%q,"spanId":"eee19b7ec3c1b174","name":"POST /cart","kind":2,"startTimeUnixNano":"%d","endTimeUnixNano":"%d","attributes":[{"key":"http.response.status_code","value":{"intValue":"503"}}],"status":{"code":2,"message":"上游超时"}},
		{"traceId":%q,"spanId":"eee19b7ec3c1b175","parentSpanId":"eee19b7ec3c1b174","name":"SELECT cart","kind":3,"startTimeUnixNano":"%d","endTimeUnixNano":"%d"}]}]}]}`,
		id, now, now+int64(250*time.Millisecond), id, now, now+int64(10*time.Millisecond))
	if status, text := w.Do(http.MethodPost, "/v1/traces", "application/json", []byte(body)); status != http.StatusOK {
		t.Fatalf("push: status %d: %s", status, text)
	}
	for path, want := range map[string]string{
		"/tempo/api/traces/" + id:    "POST /cart",
		"/tempo/api/v2/traces/" + id: "上游超时",
		"/tempo/api/search?q=" + harness.Escape(`{ resource.service.name = "e2e-cart" && span.http.response.status_code >= 500 }`): id,
		"/tempo/api/search?q=" + harness.Escape(`{ duration > 200ms && name =~ "POST.*" && status = error }`):                      id,
		"/tempo/api/search?minDuration=200ms&tags=" + harness.Escape(`service.name=e2e-cart`):                                      id,
		"/tempo/api/v2/search/tag/resource.service.name/values":                                                                    "e2e-cart",
		"/jaeger/api/services":                            "e2e-cart",
		"/jaeger/api/services/e2e-cart/operations":        "SELECT cart",
		"/jaeger/api/traces/" + id:                        "CHILD_OF",
		"/jaeger/api/traces?service=e2e-cart&lookback=1h": id,
	} {
		if got := w.Get(path); !strings.Contains(got, want) {
			t.Errorf("GET %s: no %q in %.400s", path, want, got)
		}
	}
	if status, text := w.Do(http.MethodGet, "/tempo/api/search?q="+harness.Escape(`{ duration > }`), "", nil); status != http.StatusBadRequest {
		t.Errorf("a bad query: status %d: %s", status, text)
	}
	if status, _ := w.Do(http.MethodGet, "/tempo/api/traces/00000000000000000000000000000042", "", nil); status != http.StatusNotFound {
		t.Errorf("an unknown trace: status %d, want 404", status)
	}
}
