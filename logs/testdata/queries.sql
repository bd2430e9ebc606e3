-- {app="a"}
-- exact: true
SELECT stream, time, severity, trace_id, span_id, metadata, body FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 0 AND 0 AND time >= 1000 AND time < 2000 AND stream IN ('36893488147419103233') ORDER BY time DESC, stream DESC, ord DESC LIMIT 100;

-- {app="a"} |= "error"
-- exact: true
SELECT stream, time, severity, trace_id, span_id, metadata, body FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 0 AND 0 AND time >= 1000 AND time < 2000 AND stream IN ('36893488147419103233') AND body LIKE '%error%' ORDER BY time DESC, stream DESC, ord DESC LIMIT 100;

-- {app="a"} |= "request_id=5d5599c4ed0f4fb9 status"
-- exact: true
SELECT stream, time, severity, trace_id, span_id, metadata, body FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 0 AND 0 AND time >= 1000 AND time < 2000 AND stream IN ('36893488147419103233') AND position(body, 'request_id=5d5599c4ed0f4fb9 status') > 0 AND body LIKE '%request%' AND hasToken(body, '5d5599c4ed0f4fb9') AND body LIKE '%status%' ORDER BY time DESC, stream DESC, ord DESC LIMIT 100;

-- {app="a"} != "100%'s" |= "a" or "b c"
-- exact: true
SELECT stream, time, severity, trace_id, span_id, metadata, body FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 0 AND 0 AND time >= 1000 AND time < 2000 AND stream IN ('36893488147419103233') AND ((body LIKE '%a%') OR (position(body, 'b c') > 0)) AND position(body, '100%\'s') = 0 ORDER BY time DESC, stream DESC, ord DESC LIMIT 100;

-- {app="a"} |~ "user=\\d+ (failed|denied) login" !~ "^debug" |~ "(?i)timeout"
-- exact: false
SELECT stream, time, severity, trace_id, span_id, metadata, body FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 0 AND 0 AND time >= 1000 AND time < 2000 AND stream IN ('36893488147419103233') AND match(body, '(?i:TIMEOUT)') AND NOT match(body, '\\Adebug') AND match(body, 'user=[0-9]+ (failed|denied) login') AND body LIKE '%user%' AND body LIKE '%login%' ORDER BY time DESC, stream DESC, ord DESC LIMIT 100;

-- {app="a"} | detected_level="error" | trace_id="4bf92f3577b34da6a3ce929d0e0e4736" | user=~"a|b" or user!="c"
-- exact: false
SELECT stream, time, severity, trace_id, span_id, metadata, body FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 0 AND 0 AND time >= 1000 AND time < 2000 AND stream IN ('36893488147419103233') AND if(mapContains(metadata, 'detected_level'), metadata['detected_level'] IN ('error'), severity IN (255, 17, 19, 20)) AND (trace_id = unhex('4bf92f3577b34da6a3ce929d0e0e4736') OR metadata['trace_id'] IN ('4bf92f3577b34da6a3ce929d0e0e4736')) AND (metadata['user'] IN ('a', 'b') OR metadata['user'] NOT IN ('c')) ORDER BY time DESC, stream DESC, ord DESC LIMIT 100;

-- {app="a"} | json | user="a" |= "seen" | line_format "x" |= "unseen" | app="a"
-- exact: false
SELECT stream, time, severity, trace_id, span_id, metadata, body FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 0 AND 0 AND time >= 1000 AND time < 2000 AND stream IN ('36893488147419103233') AND body LIKE '%seen%' ORDER BY time DESC, stream DESC, ord DESC LIMIT 100;

-- {app="a"} |= ip("10.0.0.0/8") |> "<_> error <_>"
-- exact: false
SELECT stream, time, severity, trace_id, span_id, metadata, body FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 0 AND 0 AND time >= 1000 AND time < 2000 AND stream IN ('36893488147419103233') ORDER BY time DESC, stream DESC, ord DESC LIMIT 100;

-- sum by (app) (count_over_time({app="a"} |= "error" [1m]))
SELECT stream, level, CAST([], 'Array(String)') AS keys, lo, hi, count() AS lines, sum(size) AS bytes FROM (SELECT stream, toUInt8(0) AS level, greatest(0, intDiv(time - 1772366340000000000 - 60000000000 + 60000000000 - 1, 60000000000)) AS lo, intDiv(time - 1772366340000000000 - 1, 60000000000) AS hi, toUInt64(0) AS size FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 492323 AND 492325 AND time >= 1772366340000000001 AND time < 1772370000000000001 AND stream IN ('36893488147419103233') AND body LIKE '%error%') GROUP BY stream, level, lo, hi;
-- lines that are there more than once
SELECT stream, level, CAST([], 'Array(String)') AS keys, lo, hi, toUInt64(sum(n - 1)) AS lines, toUInt64(sum((n - 1) * size)) AS bytes FROM (SELECT stream, toUInt8(0) AS level, greatest(0, intDiv(time - 1772366340000000000 - 60000000000 + 60000000000 - 1, 60000000000)) AS lo, intDiv(time - 1772366340000000000 - 1, 60000000000) AS hi, toUInt64(0) AS size, count() AS n FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 492323 AND 492325 AND time >= 1772366340000000001 AND time < 1772370000000000001 AND stream IN ('36893488147419103233') AND body LIKE '%error%' AND cityHash64(stream, time) GLOBAL IN (SELECT cityHash64(stream, time) FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 492323 AND 492325 AND time >= 1772366340000000001 AND time < 1772370000000000001 AND stream IN ('36893488147419103233') AND body LIKE '%error%' GROUP BY cityHash64(stream, time) HAVING count() > 1) GROUP BY stream, level, lo, hi, time, size, cityHash64(body, mapSort(metadata), severity, trace_id, span_id) HAVING n > 1) GROUP BY stream, level, lo, hi;

-- sum by (level, detected_level) (rate({app="a"} [1m] offset 5m))
SELECT stream, level, CAST([k0, k1], 'Array(String)') AS keys, lo, hi, count() AS lines, sum(size) AS bytes FROM (SELECT stream, severity AS level, greatest(0, intDiv(time - 1772366040000000000 - 60000000000 + 60000000000 - 1, 60000000000)) AS lo, intDiv(time - 1772366040000000000 - 1, 60000000000) AS hi, toUInt64(0) AS size, if(mapContains(metadata, 'level'), concat('=', metadata['level']), '') AS k0, if(mapContains(metadata, 'detected_level'), concat('=', metadata['detected_level']), '') AS k1 FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 492323 AND 492324 AND time >= 1772366040000000001 AND time < 1772369700000000001 AND stream IN ('36893488147419103233')) GROUP BY stream, level, lo, hi, k0, k1;
-- lines that are there more than once
SELECT stream, level, CAST([k0, k1], 'Array(String)') AS keys, lo, hi, toUInt64(sum(n - 1)) AS lines, toUInt64(sum((n - 1) * size)) AS bytes FROM (SELECT stream, severity AS level, greatest(0, intDiv(time - 1772366040000000000 - 60000000000 + 60000000000 - 1, 60000000000)) AS lo, intDiv(time - 1772366040000000000 - 1, 60000000000) AS hi, toUInt64(0) AS size, if(mapContains(metadata, 'level'), concat('=', metadata['level']), '') AS k0, if(mapContains(metadata, 'detected_level'), concat('=', metadata['detected_level']), '') AS k1, count() AS n FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 492323 AND 492324 AND time >= 1772366040000000001 AND time < 1772369700000000001 AND stream IN ('36893488147419103233') AND cityHash64(stream, time) GLOBAL IN (SELECT cityHash64(stream, time) FROM logs_records WHERE tenant = 't' AND intDiv(time, 3600000000000) BETWEEN 492323 AND 492324 AND time >= 1772366040000000001 AND time < 1772369700000000001 AND stream IN ('36893488147419103233') GROUP BY cityHash64(stream, time) HAVING count() > 1) GROUP BY stream, level, lo, hi, k0, k1, time, size, cityHash64(body, mapSort(metadata), severity, trace_id, span_id) HAVING n > 1) GROUP BY stream, level, lo, hi, k0, k1;

