-- { }
-- exact: true
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { false }
-- exact: true
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND 0 GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { resource.service.name = "cart" && name =~ "GET .*" && duration > 100ms && status = error && kind != client }
-- exact: true
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND (((((service = 'cart') AND (match(name, '^(?-s:GET .*)$'))) AND (duration > toInt64('100000000'))) AND (status = 2)) AND (kind != 3)) GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { .service.name = "cart" || .http.status_code >= 500 }
-- exact: true
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND (((attrs['service.name'] = 'cart' AND attr_kinds[indexOf(mapKeys(attrs), 'service.name')] = 1) OR (NOT mapContains(attrs, 'service.name') AND (service = 'cart'))) OR ((attr_kinds[indexOf(mapKeys(attrs), 'http.status_code')] = 2 AND toInt64OrZero(attrs['http.status_code']) >= toInt64('500') OR attr_kinds[indexOf(mapKeys(attrs), 'http.status_code')] = 3 AND toFloat64OrZero(attrs['http.status_code']) >= toFloat64('500')) OR (NOT mapContains(attrs, 'http.status_code') AND (resource_id GLOBAL IN (SELECT id FROM spans_resources WHERE tenant = 't' AND day BETWEEN toDate(toUInt16(19675)) AND toDate(toUInt16(19675)) AND (attr_kinds[indexOf(mapKeys(attrs), 'http.status_code')] = 2 AND toInt64OrZero(attrs['http.status_code']) >= toInt64('500') OR attr_kinds[indexOf(mapKeys(attrs), 'http.status_code')] = 3 AND toFloat64OrZero(attrs['http.status_code']) >= toFloat64('500'))))))) GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { span.http.status_code = 500 && span.ok && span.ratio < 0.5 && span.x != nil && resource.y = nil }
-- exact: true
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND (((((attrs['http.status_code'] = '500' AND attr_kinds[indexOf(mapKeys(attrs), 'http.status_code')] IN (2, 3)) AND (attrs['ok'] = 'true' AND attr_kinds[indexOf(mapKeys(attrs), 'ok')] = 4)) AND (attr_kinds[indexOf(mapKeys(attrs), 'ratio')] = 2 AND toFloat64(toInt64OrZero(attrs['ratio'])) < toFloat64('0.5') OR attr_kinds[indexOf(mapKeys(attrs), 'ratio')] = 3 AND toFloat64OrZero(attrs['ratio']) < toFloat64('0.5'))) AND (mapContains(attrs, 'x'))) AND NOT (resource_id GLOBAL IN (SELECT id FROM spans_resources WHERE tenant = 't' AND day BETWEEN toDate(toUInt16(19675)) AND toDate(toUInt16(19675)) AND (mapContains(attrs, 'y'))))) GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { !(span.a = "x" && (span.b = 1 || event.c = "y")) }
-- exact: false
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND (NOT (attrs['a'] = 'x' AND attr_kinds[indexOf(mapKeys(attrs), 'a')] = 1) OR NOT (attrs['b'] = '1' AND attr_kinds[indexOf(mapKeys(attrs), 'b')] IN (2, 3))) GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { event:name = "exception" && event.exception.type = "io" && link:traceID = "abc" }
-- exact: false
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND (((arrayExists(x -> x = 'exception', event_names)) AND notEmpty(event_names)) AND (arrayExists(x -> lower(hex(x)) = 'abc', link_traces))) GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { rootName = "GET /" && traceDuration > 1s }
-- exact: false
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND (trace_id GLOBAL IN (SELECT trace_id FROM spans WHERE tenant = 't' AND slot BETWEEN 2833327 AND 2833345 AND start >= 1699996400000000000 AND start < 1700007200000000000 AND parent_id = toFixedString('', 8) AND (name = 'GET /')) AND trace_id GLOBAL IN (SELECT trace_id FROM spans WHERE tenant = 't' AND slot BETWEEN 2833327 AND 2833345 AND start >= 1699996400000000000 AND start < 1700007200000000000 GROUP BY trace_id HAVING (max(start + duration) - min(start) > toInt64('1000000000')))) GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { nestedSetParent < 0 && span:id = "0000000000000001" && trace:id = "00000000000000000000000000000001" }
-- exact: true
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND (((parent_id = toFixedString('', 8)) AND (lower(hex(span_id)) = '0000000000000001')) AND (trace_id = unhex('00000000000000000000000000000001'))) GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { .a = "it's \\ \"quoted\"" }
-- exact: true
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND ((attrs['a'] = 'it\'s \\ "quoted"' AND attr_kinds[indexOf(mapKeys(attrs), 'a')] = 1) OR (NOT mapContains(attrs, 'a') AND (resource_id GLOBAL IN (SELECT id FROM spans_resources WHERE tenant = 't' AND day BETWEEN toDate(toUInt16(19675)) AND toDate(toUInt16(19675)) AND (attrs['a'] = 'it\'s \\ "quoted"' AND attr_kinds[indexOf(mapKeys(attrs), 'a')] = 1))))) GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { name = "a" } && { name = "b" }
-- exact: true
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND ((name = 'a') OR (name = 'b')) GROUP BY trace_id HAVING (max((name = 'a')) AND max((name = 'b'))) ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { name = "a" } || { name = "b" }
-- exact: true
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND ((name = 'a') OR (name = 'b')) GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { name = "a" } >> { name = "b" } | select(.x)
-- exact: false
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND ((name = 'a') OR (name = 'b')) GROUP BY trace_id HAVING (max((name = 'a')) AND max((name = 'b'))) ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { name = "a" } !> { name = "b" }
-- exact: false
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND (name = 'b') GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { name = "a" } | count() > 3
-- exact: false
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND (name = 'a') GROUP BY trace_id HAVING count() > 3 ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { name = "a" } | by(.x) | avg(duration) > 1s
-- exact: false
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND (name = 'a') GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

-- { .a + 1 = 2 && name = "x" }
-- exact: false
SELECT trace_id, max(start) AS newest FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND (name = 'x') GROUP BY trace_id ORDER BY newest DESC, trace_id DESC LIMIT 20;

