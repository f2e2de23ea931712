-- What Spilo makes in every database that lets clients in. In our own words. :"human" is the role of people.
SELECT count(*) > 0 AS has_statements FROM pg_available_extensions WHERE name = 'pg_stat_statements' \gset
BEGIN;
CREATE SCHEMA IF NOT EXISTS user_management;
GRANT USAGE ON SCHEMA user_management TO admin;
CREATE OR REPLACE FUNCTION user_management.random_password(length integer) RETURNS text LANGUAGE sql SET search_path = pg_catalog
    AS $$ SELECT string_agg(chr(65 + floor(random() * 26)::int), '') FROM generate_series(1, length) $$;
CREATE OR REPLACE FUNCTION user_management.create_application_user(username text) RETURNS text
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
DECLARE made text := user_management.random_password(20);
BEGIN EXECUTE format('CREATE ROLE %I LOGIN PASSWORD %L', username, made); RETURN made; END $$;
SELECT format($sql$
    CREATE OR REPLACE FUNCTION user_management.create_user(username text) RETURNS void
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $f$
    BEGIN EXECUTE format('CREATE ROLE %%I LOGIN IN ROLE %%I, admin', username, %L); END $f$ $sql$, :'human') \gexec
CREATE OR REPLACE FUNCTION user_management.create_role(rolename text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN EXECUTE format('CREATE ROLE %I ADMIN admin', rolename); END $$;
CREATE OR REPLACE FUNCTION user_management.create_application_user_or_change_password(username text, password text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = username) THEN EXECUTE format('CREATE ROLE %I LOGIN', username); END IF;
    EXECUTE format('ALTER ROLE %I PASSWORD %L', username, password);
END $$;
CREATE OR REPLACE FUNCTION user_management.revoke_admin(username text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN EXECUTE format('REVOKE admin FROM %I', username); END $$;
CREATE OR REPLACE FUNCTION user_management.drop_user(username text) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN EXECUTE format('DROP ROLE %I', username); END $$;
CREATE OR REPLACE FUNCTION user_management.drop_role(username text) RETURNS void
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$ SELECT user_management.drop_user(username) $$;
CREATE OR REPLACE FUNCTION user_management.terminate_backend(pid integer) RETURNS boolean
    LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$ SELECT pg_terminate_backend(pid) $$;
DO $$
DECLARE made regprocedure;
BEGIN
    FOR made IN SELECT oid FROM pg_proc WHERE pronamespace = 'user_management'::regnamespace
                   AND proname IN ('create_application_user', 'create_application_user_or_change_password', 'create_role', 'create_user',
                                   'drop_role', 'drop_user', 'revoke_admin', 'terminate_backend') AND prosecdef LOOP
        EXECUTE format('REVOKE ALL ON FUNCTION %1$s FROM PUBLIC; GRANT EXECUTE ON FUNCTION %1$s TO admin', made);
        EXECUTE format('COMMENT ON FUNCTION %s IS %L', made, 'Stands in for Spilo''s function of this name');
    END LOOP;
END $$;
GRANT SELECT ON pg_stat_activity TO admin;
GRANT EXECUTE ON FUNCTION pg_switch_wal() TO admin;

CREATE SCHEMA IF NOT EXISTS metric_helpers;
GRANT USAGE ON SCHEMA metric_helpers TO admin, robot_zmon;
CREATE OR REPLACE FUNCTION metric_helpers.get_table_bloat_approx(OUT t_database name, OUT t_schema_name name,
    OUT t_table_name name, OUT t_real_size numeric, OUT t_extra_size double precision, OUT t_extra_ratio double precision,
    OUT t_fill_factor integer, OUT t_bloat_size double precision, OUT t_bloat_ratio double precision, OUT t_is_na boolean)
    RETURNS SETOF record LANGUAGE sql IMMUTABLE STRICT SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT current_database(), schemaname, relname, pg_table_size(relid)::numeric, 0::float8, 0::float8, 100, 0::float8,
                 0::float8, true FROM pg_stat_user_tables $$;
CREATE OR REPLACE VIEW metric_helpers.table_bloat AS SELECT * FROM metric_helpers.get_table_bloat_approx();
CREATE OR REPLACE FUNCTION metric_helpers.get_btree_bloat_approx(OUT i_database name, OUT i_schema_name name,
    OUT i_table_name name, OUT i_index_name name, OUT i_real_size numeric, OUT i_extra_size numeric,
    OUT i_extra_ratio double precision, OUT i_fill_factor integer, OUT i_bloat_size double precision,
    OUT i_bloat_ratio double precision, OUT i_is_na boolean)
    RETURNS SETOF record LANGUAGE sql IMMUTABLE STRICT SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT current_database(), schemaname, relname, indexrelname, pg_relation_size(indexrelid)::numeric, 0::numeric, 0::float8,
                 90, 0::float8, 0::float8, true FROM pg_stat_user_indexes $$;
CREATE OR REPLACE VIEW metric_helpers.index_bloat AS SELECT * FROM metric_helpers.get_btree_bloat_approx();
CREATE OR REPLACE FUNCTION metric_helpers.get_nearly_exhausted_sequences(threshold double precision, OUT schemaname name,
    OUT sequencename name, OUT seq_percent_used numeric)
    RETURNS SETOF record LANGUAGE sql STRICT SECURITY DEFINER SET search_path = pg_catalog
    AS $$ SELECT schemaname, sequencename, round(100.0 * last_value / max_value, 2) FROM pg_sequences
          WHERE increment_by > 0 AND last_value >= threshold * max_value AND NOT cycle $$;
CREATE OR REPLACE VIEW metric_helpers.nearly_exhausted_sequences AS
    SELECT * FROM metric_helpers.get_nearly_exhausted_sequences(0.8);
\if :has_statements
CREATE EXTENSION IF NOT EXISTS pg_stat_statements SCHEMA public;
CREATE OR REPLACE FUNCTION metric_helpers.pg_stat_statements(showtext boolean) RETURNS SETOF public.pg_stat_statements
    LANGUAGE sql IMMUTABLE STRICT SECURITY DEFINER AS $$ SELECT * FROM public.pg_stat_statements(showtext) $$;
CREATE OR REPLACE VIEW metric_helpers.pg_stat_statements AS SELECT * FROM metric_helpers.pg_stat_statements(true);
SELECT format('GRANT EXECUTE ON FUNCTION %s TO admin', oid::regprocedure) FROM pg_proc
WHERE proname = 'pg_stat_statements_reset' AND pronamespace = 'public'::regnamespace \gexec
\endif
REVOKE ALL ON ALL TABLES IN SCHEMA metric_helpers FROM PUBLIC;
GRANT SELECT ON ALL TABLES IN SCHEMA metric_helpers TO admin, robot_zmon;
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA metric_helpers FROM PUBLIC;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA metric_helpers TO admin, robot_zmon;
COMMIT;
