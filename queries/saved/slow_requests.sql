-- title: Slow requests
-- description: Percentiles of the time that each service took to answer, from the segments of its traces, slowest first.
-- parameter: start_time timestamp = now-1h
-- parameter: end_time timestamp = now
-- parameter: service string = %
-- chart: bar x=service y=p95_ms
SELECT
  service_name AS service,
  http_request_method AS method,
  count(*) AS requests,
  round(approx_percentile(duration_nanos / 1e6, 0.5), 1) AS p50_ms,
  round(approx_percentile(duration_nanos / 1e6, 0.95), 1) AS p95_ms,
  round(max(duration_nanos / 1e6), 1) AS max_ms,
  count_if(fault) AS faults
FROM spans
WHERE day BETWEEN date_format(:start_time, '%Y-%m-%d') AND date_format(:end_time, '%Y-%m-%d')
  AND event_time >= :start_time
  AND event_time < :end_time
  AND kind = 'SPAN_KIND_SERVER'
  AND NOT in_progress
  AND service_name LIKE :service
GROUP BY 1, 2
ORDER BY p95_ms DESC, service
