-- What Spilo makes in the database `postgres` alone: views of PostgreSQL's log, and what monitoring asks. In our own words.
SELECT count(*) > 0 AS has_files FROM pg_available_extensions WHERE name = 'file_fdw' \gset
SELECT count(*) > 0 AS has_python FROM pg_available_extensions WHERE name = 'plpython3u' \gset
BEGIN;
CREATE TABLE IF NOT EXISTS public.postgres_log (
    log_time timestamp(3) with time zone, user_name text, database_name text, process_id integer, connection_from text,
    session_id text NOT NULL, session_line_num bigint NOT NULL, command_tag text, session_start_time timestamp with time zone,
    virtual_transaction_id text, transaction_id bigint, error_severity text, sql_state_code text, message text, detail text,
    hint text, internal_query text, internal_query_pos integer, context text, query text, query_pos integer, location text,
    application_name text, backend_type text, leader_pid integer, query_id bigint,
    CONSTRAINT postgres_log_check CHECK (false) NO INHERIT
);
GRANT SELECT ON public.postgres_log TO admin;
\if :has_files
CREATE EXTENSION IF NOT EXISTS file_fdw SCHEMA public;
DO $$
DECLARE
    day text;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_foreign_server WHERE srvname = 'pglog') THEN
        CREATE SERVER pglog FOREIGN DATA WRAPPER file_fdw;
    END IF;
    FOR day IN SELECT generate_series(0, 7)::text LOOP
        EXECUTE format($sql$
            CREATE FOREIGN TABLE IF NOT EXISTS public.%1$I () INHERITS (public.postgres_log) SERVER pglog
                OPTIONS (filename %3$L, format 'csv', header 'false');
            GRANT SELECT ON public.%1$I TO admin;
            CREATE OR REPLACE VIEW public.%2$I WITH (security_barrier) AS
                SELECT * FROM public.%1$I WHERE command_tag = 'authentication' AND error_severity = 'FATAL';
            GRANT SELECT ON public.%2$I TO robot_zmon
            $sql$, 'postgres_log_' || day, 'failed_authentication_' || day, '../pg_log/postgresql-' || day || '.csv');
    END LOOP;
END $$;
\endif
DROP SCHEMA IF EXISTS zmon_utils CASCADE;
\if :has_python
CREATE EXTENSION IF NOT EXISTS plpython3u;
\endif
CREATE SCHEMA zmon_utils;
GRANT USAGE ON SCHEMA zmon_utils TO robot_zmon;
CREATE TYPE zmon_utils.system_information AS (parameter text, setting text);
CREATE FUNCTION zmon_utils.get_database_cluster_information() RETURNS TABLE (parameter text, setting text)
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT name, setting FROM pg_settings WHERE name IN ('archive_command', 'archive_mode', 'data_directory', 'port') $$;
CREATE FUNCTION zmon_utils.get_database_cluster_system_information() RETURNS SETOF zmon_utils.system_information
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT 'platform.version', version() $$;
-- Its jobs are in an extension that is not on every machine.
CREATE FUNCTION zmon_utils.get_last_status_active_cronjobs(OUT jobid bigint, OUT database text, OUT command text,
    OUT status text, OUT return_message text, OUT start_time timestamp with time zone, OUT end_time timestamp with time zone)
    RETURNS SETOF record LANGUAGE sql STRICT SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT NULL::bigint, ''::text, ''::text, ''::text, ''::text, now(), now() WHERE false $$;
CREATE VIEW zmon_utils.last_status_active_cronjobs AS SELECT * FROM zmon_utils.get_last_status_active_cronjobs();
CREATE FUNCTION zmon_utils.get_replay_lag(OUT pid integer, OUT usesysid oid, OUT usename name, OUT application_name text,
    OUT replay_lag interval) RETURNS SETOF record LANGUAGE sql STRICT SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT pid, usesysid, usename, application_name, replay_lag FROM pg_stat_replication $$;
CREATE VIEW zmon_utils.replay_lag AS SELECT * FROM zmon_utils.get_replay_lag();
REVOKE ALL ON ALL TABLES IN SCHEMA zmon_utils FROM PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA zmon_utils TO robot_zmon;
REVOKE EXECUTE ON ALL FUNCTIONS IN SCHEMA zmon_utils FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA zmon_utils TO robot_zmon;
COMMIT;
