#!/bin/bash
# Makes the product's topics, users and ACLs on Kafka's brokers, by Kafka's own tools:
#     setup.sh BOOTSTRAP_SERVERS [CLIENT_PROPERTIES]
# CLIENT_PROPERTIES is the file with which an administrator logs in. Run it again after an update and after a change of
# a password: it adds what is missing, sets all passwords, and removes what the table of rights does not name any more.
# The tables beside this script are topics.txt and acls.txt. Variables:
#     SETTINGS_DIR          folder with a file <USER>_KAFKA_PASSWORD for each user; one without a file is not touched
#     KAFKA_BIN             folder of Kafka's tools (/opt/kafka/bin)
#     REPLICATION_FACTOR    copies of each partition (default: as the brokers are configured)
set -euo pipefail
umask 077
export LC_ALL=C
# Each tool is a Java machine of a second: what makes a server fast later costs it more than it saves.
export KAFKA_JVM_PERFORMANCE_OPTS=${KAFKA_JVM_PERFORMANCE_OPTS:--XX:+UseSerialGC -XX:TieredStopAtLevel=1}

tables=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
bin=${KAFKA_BIN:-/opt/kafka/bin}
connect=(--bootstrap-server "$1")
[[ $# -lt 2 ]] || connect+=(--command-config "$2")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

failed=0

# Each tool starts a Java machine, so four run at a time. A failure of any of them is the script's.
start() {
    while (($(jobs -rp | wc -l) >= 4)); do wait -n || failed=1; done
    "$@" >> "$work/output" 2>&1 &
}

finish() {
    local job
    for job in $(jobs -p); do wait "$job" || failed=1; done
    if ((failed)); then
        cat "$work/output" >&2
        exit 1
    fi
}

make_topics() {
    "$bin/kafka-topics.sh" "${connect[@]}" --list | sort > "$work/existing"
    while read -r name partitions configs; do
        grep -qxF "$name" "$work/existing" && continue
        local options=(--create --if-not-exists --topic "$name" --partitions "$partitions") config
        [[ -z ${REPLICATION_FACTOR:-} ]] || options+=(--replication-factor "$REPLICATION_FACTOR")
        for config in $configs; do options+=(--config "$config"); done
        echo "topic $name"
        start "$bin/kafka-topics.sh" "${connect[@]}" "${options[@]}"
    done < <(grep -v '^#' "$tables/topics.txt")
    finish
}

set_passwords() {
    local user file
    for user in $(read_rights | cut -d ' ' -f 1 | sort -u); do
        file=${user^^}
        file=${SETTINGS_DIR:-}/${file//-/_}_KAFKA_PASSWORD
        [[ -n ${SETTINGS_DIR:-} && -f $file ]] || continue
        echo "SCRAM-SHA-512=password=$(cat "$file")" > "$work/$user.properties"
        echo "user $user"
        start "$bin/kafka-configs.sh" "${connect[@]}" --alter --entity-type users --entity-name "$user" \
            --add-config-file "$work/$user.properties"
    done
    finish
}

read_rights() {
    grep -v '^#' "$tables/acls.txt" | sort
}

# Lines like those of acls.txt: user, operation, resource, pattern, name. Of other users none.
list_present_rights() {
    "$bin/kafka-acls.sh" "${connect[@]}" --list | awk '
        /^Current ACLs/ {
            match($0, /resourceType=[A-Z_]+/); resource = tolower(substr($0, RSTART + 13, RLENGTH - 13))
            match($0, /name=.*, patternType=/); name = substr($0, RSTART + 5, RLENGTH - 5 - 14)
            match($0, /patternType=[A-Z]+/); pattern = tolower(substr($0, RSTART + 12, RLENGTH - 12))
        }
        /principal=User:.*permissionType=ALLOW/ {
            match($0, /User:[^,]+/); user = substr($0, RSTART + 5, RLENGTH - 5)
            match($0, /operation=[A-Z_]+/); operation = substr($0, RSTART + 10, RLENGTH - 10)
            print user, operation, resource, pattern, name
        }' | sed 's/ READ / Read /; s/ WRITE / Write /; s/ DESCRIBE / Describe /; s/ DESCRIBE_CONFIGS / DescribeConfigs /' |
        sort > "$work/all-rights"
    read_rights | cut -d ' ' -f 1 | sort -u > "$work/users"
    awk 'NR == FNR { ours[$1] = 1; next } $1 in ours' "$work/users" "$work/all-rights"
}

# Adds or removes (first argument) rights that it reads, with one call for all names of the same kind.
change_rights() {
    local change=$1 user operation resource pattern name kind last="" options=()
    while read -r user operation resource pattern name; do
        kind="$user $operation $resource $pattern"
        if [[ $kind != "$last" && ${#options[@]} -gt 0 ]]; then
            start "$bin/kafka-acls.sh" "${connect[@]}" "$change" --force "${options[@]}"
            options=()
        fi
        if [[ ${#options[@]} -eq 0 ]]; then
            echo "${change#--} $kind"
            options=(--allow-principal "User:$user" --operation "$operation" --resource-pattern-type "$pattern")
        fi
        options+=("--$resource" "$name")
        last=$kind
    done
    [[ ${#options[@]} -eq 0 ]] || start "$bin/kafka-acls.sh" "${connect[@]}" "$change" --force "${options[@]}"
    finish
}

make_topics
set_passwords
read_rights > "$work/rights"
list_present_rights > "$work/present"
change_rights --add < <(comm -23 "$work/rights" "$work/present")
change_rights --remove < <(comm -13 "$work/rights" "$work/present")
echo "topics, users and ACLs are as they should be"
