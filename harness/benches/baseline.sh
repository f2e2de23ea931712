#!/bin/sh
# What `clonedrill bench drill` is measured against: the work of scenarios/clone/into-another-account.yaml by hand,
# with the same programs and neither operator nor Patroni. Prints nothing but what goes wrong.
#
# Needs: PG (a bin folder), WALG, WORK (an empty folder), SQL (the folder of the scenario's files), SOURCE_ACCOUNT,
# SOURCE_KEY, CLONE_ACCOUNT, CLONE_KEY, and, where the database needs them, LEGACY (SQL for pg_start_backup and
# pg_stop_backup).
set -eu
PATH="$PG:$PATH"
export PGHOST="$WORK" PGUSER=postgres PGDATABASE=postgres

quiet() { "$@" >"$WORK/last.log" 2>&1 || { cat "$WORK/last.log" >&2; exit 1; }; }
sql() { psql -XqAt -v ON_ERROR_STOP=1 "$@"; }
# Runs wal-g as the cluster $1, with its account and key in the environment.
walg() {
    name=$1; shift
    case $name in
        source) account=$SOURCE_ACCOUNT key=$SOURCE_KEY ;;
        clone) account=$CLONE_ACCOUNT key=$CLONE_KEY ;;
    esac
    AZURE_STORAGE_ACCOUNT=$account AZURE_STORAGE_ACCESS_KEY=$key WALG_AZ_PREFIX="azure://backups/baseline/$name" \
        "$WALG" "$@"
}
if [ "${1:-}" = walg ]; then shift; walg "$@"; exit; fi

settings() {
    cat >>"$WORK/$1/postgresql.conf" <<CONF
unix_socket_directories = '$WORK'
listen_addresses = ''
archive_mode = on
archive_command = '$0 walg $1 wal-push %p'
wal_level = replica
port = $2
CONF
}
digest() {
    for table in $(sql -c "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables
        WHERE schemaname NOT IN ('pg_catalog', 'information_schema') ORDER BY 1"); do
        printf '%s ' "$table"
        sql -c "COPY (SELECT t::text FROM $table t ORDER BY 1) TO STDOUT" | sha256sum
    done
}
# Waits for an SQL condition, a minute at most.
await() {
    looks=0
    until [ "$(sql -c "SELECT $1")" = t ]; do
        looks=$((looks + 1))
        [ "$looks" -lt 1200 ] || { echo "gave up waiting for $1" >&2; exit 1; }
        sleep 0.05
    done
}
archived() { await "(SELECT coalesce(last_archived_wal >= '$1', false) FROM pg_stat_archiver)"; }

export PGPORT=5501
quiet initdb -D "$WORK/source" -U postgres -A trust
settings source 5501
quiet pg_ctl -D "$WORK/source" -w start -l "$WORK/source.log"
# As the operator makes them of the manifest.
quiet sql -c "CREATE ROLE orders LOGIN" -c "CREATE DATABASE orders OWNER orders"
PGDATABASE=orders
[ -z "${LEGACY:-}" ] || quiet sql -f "$LEGACY"
quiet sql -f "$SQL/orders.sql"
quiet walg source backup-push "$WORK/source"
quiet sql -f "$SQL/after-backup.sql"
digest >"$WORK/expected"
target=$(sql -c "SELECT clock_timestamp()")
# Recovery stops at the first commit after its target, so there must be one.
quiet sql -c "SELECT txid_current()"
segment=$(sql -c "SELECT pg_walfile_name(pg_switch_wal())")
archived "$segment"
quiet sql -f "$SQL/mistake.sql"

quiet walg source backup-fetch "$WORK/clone" LATEST
settings clone 5502
cat >>"$WORK/clone/postgresql.conf" <<CONF
restore_command = '$0 walg source wal-fetch %f %p'
recovery_target_time = '$target'
recovery_target_action = promote
CONF
touch "$WORK/clone/recovery.signal"
export PGPORT=5502
quiet pg_ctl -D "$WORK/clone" -w -t 120 start -l "$WORK/clone.log"
await "NOT pg_is_in_recovery()"
digest >"$WORK/seen"
archived "$(sql -c "SELECT pg_walfile_name(pg_switch_wal())")"
quiet pg_ctl -D "$WORK/clone" -m immediate stop
PGPORT=5501 quiet pg_ctl -D "$WORK/source" -m immediate stop
diff "$WORK/expected" "$WORK/seen"
