-- title: Users who met errors
-- description: Which users met errors, how many, of which kind, and one trace of each to look at.
-- parameter: start_time timestamp = now-1h
-- parameter: end_time timestamp = now
-- parameter: most bigint = 50
-- chart: bar x=user y=errors
WITH failed AS (
  SELECT
    coalesce(json_extract_scalar(attributes, '$["user.id"]'), json_extract_scalar(attributes, '$["user_id"]')) AS user,
    service_name,
    exception_type,
    trace_id,
    event_time
  FROM logs
  WHERE day BETWEEN date_format(:start_time, '%Y-%m-%d') AND date_format(:end_time, '%Y-%m-%d')
    AND event_time >= :start_time
    AND event_time < :end_time
    AND severity_text IN ('ERROR', 'FATAL')
)
SELECT
  user,
  count(*) AS errors,
  count(DISTINCT service_name) AS services,
  max_by(exception_type, event_time) AS last_exception,
  max(event_time) AS last_at,
  max_by(trace_id, event_time) AS last_trace
FROM failed
WHERE user IS NOT NULL
GROUP BY 1
ORDER BY errors DESC, user
LIMIT :most
