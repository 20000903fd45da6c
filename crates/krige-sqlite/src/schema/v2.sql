-- The stored format, version 2: trials that are run again, data that came late, leases. docs/journal.md explains it.

-- Who runs the trials of an experiment for the time being. The only table whose rows change: nothing of an experiment
-- follows from it.
CREATE TABLE lease (
    experiment TEXT PRIMARY KEY NOT NULL,
    holder     TEXT NOT NULL,                        -- `host:pid:...`, as in the event `led`
    until      TEXT NOT NULL                         -- by the holder's clock, RFC 3339, UTC
) WITHOUT ROWID;

DROP VIEW arm; -- which reads `trial`
DROP VIEW trial;
DROP VIEW observation;

CREATE VIEW trial AS
SELECT
    born.experiment,
    born.trial,
    CASE last.kind
        WHEN 'trial_launching' THEN 'staged'
        WHEN 'trial_running' THEN 'running'
        WHEN 'trial_completed' THEN 'completed'
        WHEN 'trial_failed' THEN 'failed'
        WHEN 'trial_abandoned' THEN 'abandoned'
        WHEN 'trial_early_stopped' THEN 'early_stopped'
        WHEN 'trial_stale' THEN 'stale'
        ELSE 'candidate' -- also after `trial_retried`
    END AS status,
    coalesce(json_extract(born.body, '$.trial_generated.generation.node'), 'manual') AS node,
    coalesce(
        json_extract(born.body, '$.trial_generated.arm.name'),
        json_extract(born.body, '$.trial_attached.arm.name')
    ) AS arm,
    coalesce(
        json_extract(born.body, '$.trial_generated.arm.parameters'),
        json_extract(born.body, '$.trial_attached.arm.parameters')
    ) AS parameters,
    -- The last word on each metric: the final observation, or else the one of the furthest progression.
    (
        SELECT nullif(json_group_object(metric, mean), '{}')
        FROM (
            SELECT
                json_extract(seen.value, '$.metric') AS metric,
                json_extract(seen.value, '$.mean') AS mean,
                row_number() OVER (
                    PARTITION BY json_extract(seen.value, '$.metric')
                    ORDER BY
                        json_extract(seen.value, '$.progression') IS NOT NULL,
                        json_extract(seen.value, '$.progression') DESC,
                        json_extract(attached.body, '$.observations_attached.late') IS NOT NULL,
                        CASE WHEN json_extract(attached.body, '$.observations_attached.late') IS NOT NULL
                            THEN attached.sequence ELSE -attached.sequence END,
                        CASE WHEN json_extract(attached.body, '$.observations_attached.late') IS NOT NULL
                            THEN seen.key ELSE -seen.key END
                ) AS place
            FROM event AS attached,
                json_each(attached.body, '$.observations_attached.observations') AS seen
            WHERE attached.experiment = born.experiment
                AND attached.trial = born.trial
                AND attached.kind = 'observations_attached'
        )
        WHERE place = 1
    ) AS results,
    replace(substr(born.at, 1, 19), 'T', ' ') AS created,
    replace(substr(running.at, 1, 19), 'T', ' ') AS started,
    CASE
        WHEN last.kind NOT IN ('trial_launching', 'trial_running', 'trial_retried')
        THEN replace(substr(last.at, 1, 19), 'T', ' ')
    END AS ended,
    coalesce(
        json_extract(last.body, '$.trial.event.failed.reason'),
        json_extract(last.body, '$.trial.event.abandoned.reason'),
        json_extract(last.body, '$.trial.event.early_stopped.reason')
    ) AS reason,
    json_extract(born.body, '$.trial_generated.generation.method') AS method,
    json_extract(born.body, '$.trial_generated.generation.degraded') AS degraded,
    json_extract(running.body, '$.trial.event.running.metadata') AS metadata,
    (
        SELECT count(*)
        FROM event
        WHERE experiment = born.experiment AND trial = born.trial AND kind = 'trial_launching'
    ) AS attempts
FROM event AS born
LEFT JOIN event AS last
    ON last.experiment = born.experiment
    AND last.sequence = (
        SELECT max(sequence)
        FROM event
        WHERE experiment = born.experiment
            AND trial = born.trial
            AND kind IN (
                'trial_launching', 'trial_running', 'trial_completed', 'trial_failed',
                'trial_abandoned', 'trial_early_stopped', 'trial_stale', 'trial_retried'
            )
    )
-- The present run, or the last one: none if the trial is to be run again, or is being launched again.
LEFT JOIN event AS running
    ON running.experiment = born.experiment
    AND running.sequence = (
        SELECT max(sequence)
        FROM event
        WHERE experiment = born.experiment AND trial = born.trial AND kind = 'trial_running'
    )
    AND running.sequence > (
        SELECT max(sequence)
        FROM event
        WHERE experiment = born.experiment
            AND trial = born.trial
            AND kind IN ('trial_launching', 'trial_retried')
    )
WHERE born.kind IN ('trial_generated', 'trial_attached')
ORDER BY born.experiment, born.trial;

CREATE VIEW observation AS
SELECT experiment, trial, metric, mean, sem, progression, at, late
FROM (
    SELECT
        attached.experiment,
        attached.trial,
        json_extract(seen.value, '$.metric') AS metric,
        json_extract(seen.value, '$.mean') AS mean,
        json_extract(seen.value, '$.sem') AS sem,
        json_extract(seen.value, '$.progression') AS progression,
        replace(substr(attached.at, 1, 19), 'T', ' ') AS at,
        coalesce(json_extract(attached.body, '$.observations_attached.late'), 0) AS late,
        -- A newer observation of the same metric and progression replaces the older; a late one replaces nothing.
        row_number() OVER (
            PARTITION BY
                attached.experiment,
                attached.trial,
                json_extract(seen.value, '$.metric'),
                json_extract(seen.value, '$.progression')
            ORDER BY
                json_extract(attached.body, '$.observations_attached.late') IS NOT NULL,
                CASE WHEN json_extract(attached.body, '$.observations_attached.late') IS NOT NULL
                    THEN attached.sequence ELSE -attached.sequence END,
                CASE WHEN json_extract(attached.body, '$.observations_attached.late') IS NOT NULL
                    THEN seen.key ELSE -seen.key END
        ) AS place
    FROM event AS attached,
        json_each(attached.body, '$.observations_attached.observations') AS seen
    WHERE attached.kind = 'observations_attached'
)
WHERE place = 1;

CREATE VIEW arm AS
SELECT experiment, arm, json_group_array(trial) AS trials, parameters
FROM (SELECT experiment, arm, trial, parameters FROM trial ORDER BY experiment, arm, trial)
GROUP BY experiment, arm
ORDER BY experiment, min(trial);
