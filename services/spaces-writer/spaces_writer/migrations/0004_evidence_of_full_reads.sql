-- The ids that the platform listed in the parts of id ranges, with its evidence that none of them is missing.
CREATE TABLE id_lists (
    connection text NOT NULL,
    read_id uuid NOT NULL,
    resource text NOT NULL,
    id_range int NOT NULL,
    attempt int NOT NULL,
    after_id text NOT NULL,             -- '' where the part begins with the first id
    up_to_id text,                      -- null where the part has no upper bound
    ids text[] NOT NULL,
    counted int,                        -- null where the platform counts no exact number
    is_repeated boolean NOT NULL,
    stored_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, read_id, resource, id_range, attempt, after_id)
);

-- The records that a full read reads directly before its result is decided. After the result, only those stay that
-- exist although the platform does not list them: the next full read is compared with them.
CREATE TABLE direct_reads (
    connection text NOT NULL,
    read_id uuid NOT NULL,
    resource text NOT NULL,
    id text NOT NULL,
    -- Whether the record had been stored so long before the full read that a truthful list would have named it.
    is_overdue boolean NOT NULL,
    is_done boolean NOT NULL DEFAULT false,
    -- Whether the full read has ended, and had found that the record exists although the platform does not list it.
    is_unlisted boolean NOT NULL DEFAULT false,
    PRIMARY KEY (connection, read_id, resource, id)
);

-- Whether another attempt at an incomplete id range is useless.
ALTER TABLE id_ranges ADD COLUMN is_final boolean NOT NULL DEFAULT false;
