ALTER TABLE connections
    -- Since when the document of the connection's merchant in the bucket lacks the connection's latest state (null: it
    -- shows it), why its last upload failed, and when the next one may begin.
    ADD COLUMN document_changed_at timestamptz,
    ADD COLUMN document_reason text,
    ADD COLUMN document_not_before timestamptz;
CREATE INDEX connections_document_behind ON connections (document_changed_at) WHERE document_changed_at IS NOT NULL;
