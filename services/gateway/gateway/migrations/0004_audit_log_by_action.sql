-- The latest entries of each action on a connection, for its page, and the latest full sync that a merchant requested.
CREATE INDEX audit_log_connection_action ON audit_log (connection, action, id);
