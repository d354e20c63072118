-- Credentials that the accounts of one sign-in share, encrypted (AES-GCM, key id in front, bound to the row's id). A row
-- is deleted with the last connection that refers to it. `is_refused`: the platform has refused a token made of it.
CREATE TABLE logins (
    id uuid PRIMARY KEY,
    secret text NOT NULL,
    is_refused boolean NOT NULL DEFAULT false
);
ALTER TABLE connections ADD COLUMN login uuid REFERENCES logins;
CREATE INDEX connections_login ON connections (login) WHERE login IS NOT NULL;
