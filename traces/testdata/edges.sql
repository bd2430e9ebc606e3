SELECT CAST(source, 'String') AS source, CAST(source_application, 'String') AS source_application, CAST(source_cluster, 'String') AS source_cluster, CAST(source_namespace, 'String') AS source_namespace,
  CAST(target, 'String') AS target, CAST(target_application, 'String') AS target_application, CAST(target_cluster, 'String') AS target_cluster, CAST(target_namespace, 'String') AS target_namespace,
  CAST(edge_kind, 'String') AS edge_kind, found, count() AS calls, countIf(failed) AS errors, sum(nanos) AS nanos
FROM
(
  SELECT p.service AS source, p.application AS source_application, p.cluster AS source_cluster, p.namespace AS source_namespace,
    if(c.found, c.service, p.peer) AS target, c.application AS target_application, c.cluster AS target_cluster, c.namespace AS target_namespace,
    multiIf(NOT c.found, p.peer_kind, c.kind = 5, 'messaging', 'service') AS edge_kind, c.found AS found,
    p.status = 2 OR c.status = 2 AS failed, if(c.found AND p.kind NOT IN (3, 4), c.duration, p.duration) AS nanos,
    cityHash64(p.trace_id, p.span_id, p.kind, c.own_trace, c.own_span) AS call
  FROM (SELECT trace_id, span_id, kind, service, application, cluster, namespace, peer, peer_kind, status, duration FROM spans WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833339 AND start >= 1700000000000000000 AND start < 1700003600000000000 AND service != '') AS p
  LEFT JOIN
  (
    SELECT trace_id AS own_trace, span_id AS own_span, link.1 AS of_trace, link.2 AS of_span, kind, service, application, cluster, namespace, status, duration, toUInt8(1) AS found
    FROM spans
    ARRAY JOIN arrayDistinct(arrayConcat([(trace_id, parent_id)], if(kind = 5, arrayZip(link_traces, link_spans), []))) AS link
    WHERE tenant = 't' AND slot BETWEEN 2833333 AND 2833345 AND start >= 1699999940000000000 AND start < 1700007200000000000 AND kind IN (0, 2, 5) AND service != '' AND link.2 != toFixedString('', 8)
  ) AS c ON p.trace_id = c.of_trace AND p.span_id = c.of_span
  WHERE if(c.found, (c.service, c.cluster, c.namespace) != (p.service, p.cluster, p.namespace), p.peer_kind != '')
  LIMIT 1 BY call
)
GROUP BY source, source_application, source_cluster, source_namespace, target, target_application, target_cluster, target_namespace, edge_kind, found
ORDER BY calls DESC, source, target LIMIT 100
