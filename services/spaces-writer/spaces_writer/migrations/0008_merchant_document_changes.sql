-- What a merchant's document in the bucket may not show yet: the latest state of a connection that is the merchant's, or was.
-- The document shows it from `version` on.
CREATE TABLE document_changes (
    connection text NOT NULL,
    merchant uuid NOT NULL,
    version bigint NOT NULL,
    since timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection, merchant)
);
CREATE INDEX document_changes_by_merchant ON document_changes (merchant);
ALTER TABLE merchants
    -- How many updates of the document have failed in a row, why the last one failed, and when the next one may begin
    -- (seconds since 1970).
    ADD COLUMN failures int NOT NULL DEFAULT 0,
    ADD COLUMN reason text,
    ADD COLUMN not_before double precision NOT NULL DEFAULT 0;
-- Whether the erasure has been reported: when the object is deleted and no merchant's document names the account.
ALTER TABLE erasures ADD COLUMN is_published boolean NOT NULL DEFAULT false;
