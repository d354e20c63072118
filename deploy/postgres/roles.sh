#!/bin/bash
# Gives each service with data its role and its schema, by psql. A role reads no schema but its own, and the views that
# another service publishes for it. Run it again after an update and after a change of a password: it makes what is
# missing, and sets all passwords. Variables:
#     SETTINGS_DIR          folder with a file <ROLE>_DATABASE_PASSWORD for each role; and POSTGRES_PASSWORD, if it is
#                           needed to log in
#     POSTGRES_USER         who may make roles (postgres); POSTGRES_DB the database, which must exist (merchant_sync)
#     PGHOST, PGPORT, …     where it is, in libpq's words
set -euo pipefail

run() {
    psql --set ON_ERROR_STOP=1 --quiet --no-psqlrc --set database="$database" \
        --username "${POSTGRES_USER:-postgres}" --dbname "$database" "$@"
}

database=${POSTGRES_DB:-merchant_sync}
# Without notes about what is there already.
export PGOPTIONS="-c client_min_messages=warning"
if [[ -f $SETTINGS_DIR/POSTGRES_PASSWORD ]]; then
    PGPASSWORD=$(cat "$SETTINGS_DIR/POSTGRES_PASSWORD")
    export PGPASSWORD
fi

run <<'SQL'
REVOKE ALL ON DATABASE :"database" FROM PUBLIC;
REVOKE ALL ON SCHEMA public FROM PUBLIC;
SQL
for owner in gateway scheduler spaces_writer data_api linker; do
    password=$(cat "$SETTINGS_DIR/${owner^^}_DATABASE_PASSWORD")
    run --set owner="$owner" --set password="$password" <<'SQL'
SELECT format('CREATE ROLE %I', :'owner') WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = :'owner') \gexec
ALTER ROLE :"owner" LOGIN PASSWORD :'password';
ALTER ROLE :"owner" IN DATABASE :"database" SET search_path = :"owner";
GRANT CONNECT ON DATABASE :"database" TO :"owner";
CREATE SCHEMA IF NOT EXISTS :"owner" AUTHORIZATION :"owner";
SQL
done
# The spaces-writer shows readers its data by the views of a second schema. The default privileges are for views that it
# makes later, as a new version of it may.
run <<'SQL'
CREATE SCHEMA IF NOT EXISTS spaces_writer_published AUTHORIZATION spaces_writer;
GRANT USAGE ON SCHEMA spaces_writer_published TO data_api;
GRANT SELECT ON ALL TABLES IN SCHEMA spaces_writer_published TO data_api;
ALTER DEFAULT PRIVILEGES FOR ROLE spaces_writer IN SCHEMA spaces_writer_published GRANT SELECT ON TABLES TO data_api;
SQL
