-- The stored format, version 1. docs/journal.md explains it to readers.

-- The truth: append-only, one row for each event.
CREATE TABLE event (
    id         INTEGER PRIMARY KEY,                  -- order of arrival in this file, over all experiments
    experiment TEXT    NOT NULL,                     -- the experiment's name
    sequence   INTEGER NOT NULL CHECK (sequence > 0),-- place within the experiment, from 1, without gaps
    at         TEXT    NOT NULL,                     -- when it was decided, RFC 3339, UTC
    kind       TEXT    NOT NULL,                     -- what happened, as a word
    trial      INTEGER,                              -- the trial it is about, if it is about one
    body       TEXT    NOT NULL CHECK (json_valid(body)),
    UNIQUE (experiment, sequence)
);
CREATE INDEX event_of_trial ON event (experiment, trial, kind, sequence);
CREATE INDEX event_of_birth ON event (experiment, trial)
    WHERE kind IN ('trial_generated', 'trial_attached');
CREATE INDEX event_of_creation ON event (id) WHERE sequence = 1;

-- Everything below is computed from `event` whenever it is asked for; nothing is stored twice. Only what
-- SQLite 3.25 (2018) knows is used, because people bring the sqlite3 that their system has.

CREATE VIEW experiment AS
SELECT
    created.experiment AS name,
    replace(substr(created.at, 1, 19), 'T', ' ') AS created,
    (
        SELECT json_extract(body, '$.optimization_configured.optimization.objective')
        FROM event
        WHERE experiment = created.experiment AND trial IS NULL AND kind = 'optimization_configured'
        ORDER BY sequence DESC
        LIMIT 1
    ) AS objective,
    (
        SELECT count(*)
        FROM event
        WHERE experiment = created.experiment AND kind IN ('trial_generated', 'trial_attached')
    ) AS trials,
    (
        SELECT count(*)
        FROM event
        WHERE experiment = created.experiment AND kind = 'trial_completed'
    ) AS completed,
    json_extract(created.body, '$.experiment_created.description') AS description
FROM event AS created
WHERE created.sequence = 1 AND created.kind = 'experiment_created'
ORDER BY created.id;

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
        ELSE 'candidate'
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
                        attached.sequence DESC,
                        seen.key DESC
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
        WHEN last.kind NOT IN ('trial_launching', 'trial_running')
        THEN replace(substr(last.at, 1, 19), 'T', ' ')
    END AS ended,
    coalesce(
        json_extract(last.body, '$.trial.event.failed.reason'),
        json_extract(last.body, '$.trial.event.abandoned.reason'),
        json_extract(last.body, '$.trial.event.early_stopped.reason')
    ) AS reason,
    json_extract(born.body, '$.trial_generated.generation.method') AS method,
    json_extract(born.body, '$.trial_generated.generation.degraded') AS degraded,
    json_extract(running.body, '$.trial.event.running.metadata') AS metadata
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
                'trial_abandoned', 'trial_early_stopped', 'trial_stale'
            )
    )
LEFT JOIN event AS running
    ON running.experiment = born.experiment
    AND running.trial = born.trial
    AND running.kind = 'trial_running'
WHERE born.kind IN ('trial_generated', 'trial_attached')
ORDER BY born.experiment, born.trial;

CREATE VIEW observation AS
SELECT experiment, trial, metric, mean, sem, progression, at
FROM (
    SELECT
        attached.experiment,
        attached.trial,
        json_extract(seen.value, '$.metric') AS metric,
        json_extract(seen.value, '$.mean') AS mean,
        json_extract(seen.value, '$.sem') AS sem,
        json_extract(seen.value, '$.progression') AS progression,
        replace(substr(attached.at, 1, 19), 'T', ' ') AS at,
        -- A newer observation of the same metric and progression replaces the older.
        row_number() OVER (
            PARTITION BY
                attached.experiment,
                attached.trial,
                json_extract(seen.value, '$.metric'),
                json_extract(seen.value, '$.progression')
            ORDER BY attached.sequence DESC, seen.key DESC
        ) AS place
    FROM event AS attached,
        json_each(attached.body, '$.observations_attached.observations') AS seen
    WHERE attached.kind = 'observations_attached'
)
WHERE place = 1;

CREATE VIEW parameter AS
SELECT
    born.experiment,
    born.trial,
    assigned.key AS parameter,
    CASE assigned.type
        WHEN 'true' THEN 'true'
        WHEN 'false' THEN 'false'
        ELSE assigned.value
    END AS value
FROM event AS born,
    json_each(
        born.body,
        CASE born.kind
            WHEN 'trial_generated' THEN '$.trial_generated.arm.parameters'
            ELSE '$.trial_attached.arm.parameters'
        END
    ) AS assigned
WHERE born.kind IN ('trial_generated', 'trial_attached')
ORDER BY born.experiment, born.trial;

CREATE VIEW arm AS
SELECT experiment, arm, json_group_array(trial) AS trials, parameters
FROM (SELECT experiment, arm, trial, parameters FROM trial ORDER BY experiment, arm, trial)
GROUP BY experiment, arm
ORDER BY experiment, min(trial);
