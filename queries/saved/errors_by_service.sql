-- title: Errors by service
-- description: How many events and errors each service logged per minute, and the share of errors.
-- parameter: start_time timestamp = now-1h
-- parameter: end_time timestamp = now
-- parameter: least_errors bigint = 1
-- chart: line x=minute y=errors colour=service
SELECT
  date_trunc('minute', event_time) AS minute,
  service_name AS service,
  count(*) AS events,
  count_if(severity_text IN ('ERROR', 'FATAL')) AS errors,
  round(100e0 * count_if(severity_text IN ('ERROR', 'FATAL')) / count(*), 1) AS error_percent
FROM logs
WHERE day BETWEEN date_format(:start_time, '%Y-%m-%d') AND date_format(:end_time, '%Y-%m-%d')
  AND event_time >= :start_time
  AND event_time < :end_time
  AND service_name IS NOT NULL
GROUP BY 1, 2
HAVING count_if(severity_text IN ('ERROR', 'FATAL')) >= :least_errors
ORDER BY minute DESC, errors DESC, service
