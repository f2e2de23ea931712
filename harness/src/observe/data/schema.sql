-- Every definition of a database as (kind, name, definition). `:observed` is the condition of excluded.rs.
WITH member AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), ns AS (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_namespace n WHERE :observed
), rel AS (
    SELECT c.*, format('%I.%I', ns.nspname, c.relname) AS name,
           EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid) AS is_member
    FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
    WHERE c.relpersistence <> 't'
), proc AS (
    SELECT p.*, format('%I.%I(%s)', ns.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
), typ AS (
    SELECT t.*, format('%I.%I', ns.nspname, t.typname) AS name
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
      AND t.typtype IN ('b', 'c', 'd', 'e', 'r')
      AND (t.typrelid = 0 OR (SELECT c.relkind FROM pg_class c WHERE c.oid = t.typrelid) = 'c')
      AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
)
SELECT 'schema' AS kind, format('%I', nspname) AS name,
       format('owner %s; access %s', nspowner::regrole,
              (SELECT array_agg(a::text ORDER BY a::text COLLATE "C")
               FROM unnest(coalesce(nspacl, acldefault('n', nspowner))) a)) AS definition
FROM ns

UNION ALL
SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized view' WHEN 'S' THEN 'sequence'
                    WHEN 'f' THEN 'foreign table' WHEN 'c' THEN 'composite type' ELSE 'table' END,
       name,
       concat_ws('; ',
           format('owner %s', relowner::regrole),
           'access ' || (SELECT array_agg(a::text ORDER BY a::text COLLATE "C")
                         FROM unnest(coalesce(relacl, acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char",
                                                                 relowner))) a)::text,
           CASE relpersistence WHEN 'u' THEN 'unlogged' END,
           'options ' || (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(reloptions) o)::text,
           CASE WHEN relkind IN ('r', 'm') THEN 'method ' || (SELECT amname FROM pg_am WHERE oid = relam) END,
           'tablespace ' || (SELECT spcname FROM pg_tablespace s WHERE s.oid = reltablespace),
           CASE WHEN relkind = 'p' THEN 'partition by ' || pg_get_partkeydef(rel.oid) END,
           CASE WHEN relispartition THEN 'partition ' || pg_get_expr(relpartbound, rel.oid) END,
           (SELECT 'inherits ' || string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
            FROM pg_inherits WHERE inhrelid = rel.oid),
           CASE WHEN relreplident <> 'd' AND relkind IN ('r', 'p') THEN 'replica identity ' || relreplident::text END,
           CASE WHEN relrowsecurity THEN 'row security' END,
           CASE WHEN relforcerowsecurity THEN 'forced row security' END,
           CASE WHEN relkind = 'm' AND NOT relispopulated THEN 'with no data' END,
           CASE WHEN relkind IN ('v', 'm') THEN pg_get_viewdef(rel.oid) END,
           (SELECT format('as %s start %s increment %s min %s max %s cache %s cycle %s', seqtypid::regtype, seqstart,
                          seqincrement, seqmin, seqmax, seqcache, seqcycle)
            FROM pg_sequence WHERE seqrelid = rel.oid),
           (SELECT format('owned by %s.%I', refobjid::regclass, attname)
            FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_class'::regclass AND d.objid = rel.oid AND d.deptype IN ('a', 'i')
              AND d.refclassid = 'pg_class'::regclass AND relkind = 'S'),
           (SELECT format('server %I options %s', srvname, ftoptions)
            FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = rel.oid))
FROM rel
WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND NOT is_member

UNION ALL
SELECT 'column', format('%s.%I', rel.name, attname),
       concat_ws('; ',
           format('%s. %s', row_number() OVER (PARTITION BY attrelid ORDER BY attnum),
                  format_type(atttypid, atttypmod)),
           CASE WHEN attnotnull THEN 'not null' END,
           CASE attgenerated WHEN '' THEN 'default ' ELSE 'generated ' || attgenerated::text || ' ' END
               || pg_get_expr(adbin, adrelid),
           CASE WHEN attidentity <> '' THEN 'identity ' || attidentity::text END,
           (SELECT format('collate %s', collname) FROM pg_collation WHERE oid = attcollation AND collname <> 'default'),
           CASE WHEN attstorage <> typstorage THEN 'storage ' || attstorage::text END,
           'options ' || attoptions::text,
           'access ' || (SELECT array_agg(x::text ORDER BY x::text COLLATE "C") FROM unnest(attacl) x)::text)
FROM pg_attribute a
JOIN rel ON rel.oid = a.attrelid
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND NOT attisdropped AND rel.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND NOT is_member

UNION ALL
SELECT 'constraint', format('%s %I', coalesce(rel.name, typ.name), conname), pg_get_constraintdef(c.oid)
FROM pg_constraint c LEFT JOIN rel ON rel.oid = conrelid LEFT JOIN typ ON typ.oid = contypid
WHERE (rel.oid IS NOT NULL AND NOT is_member) OR typ.oid IS NOT NULL

UNION ALL
SELECT 'index', rel.name,
       concat_ws('; ', pg_get_indexdef(rel.oid), CASE WHEN NOT indisvalid THEN 'invalid' END,
                 CASE WHEN indisclustered THEN 'clustered' END, CASE WHEN indisreplident THEN 'replica identity' END)
FROM pg_index JOIN rel ON rel.oid = indexrelid
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = indrelid)

UNION ALL
SELECT CASE prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, name,
       format('owner %s; access %s; %s', proowner::regrole,
              (SELECT array_agg(a::text ORDER BY a::text COLLATE "C")
               FROM unnest(coalesce(proacl, acldefault('f', proowner))) a),
              CASE WHEN prokind <> 'a' THEN pg_get_functiondef(proc.oid)
                   ELSE (SELECT format('%s %s %s %s %s', aggtransfn, aggfinalfn, aggtranstype::regtype, agginitval,
                                       aggsortop::regoper)
                         FROM pg_aggregate WHERE aggfnoid = proc.oid) END)
FROM proc

UNION ALL
SELECT 'type', name,
       concat_ws('; ',
           format('owner %s', typowner::regrole),
           'access ' || (SELECT array_agg(a::text ORDER BY a::text COLLATE "C")
                         FROM unnest(coalesce(typacl, acldefault('T', typowner))) a)::text,
           CASE typtype
               WHEN 'e' THEN 'enum ' || (SELECT array_agg(enumlabel ORDER BY enumsortorder)
                                         FROM pg_enum WHERE enumtypid = typ.oid)::text
               WHEN 'd' THEN format('domain over %s default %s not null %s', format_type(typbasetype, typtypmod),
                                    typdefault, typnotnull)
               WHEN 'r' THEN 'range over ' || (SELECT rngsubtype::regtype FROM pg_range WHERE rngtypid = typ.oid)
               WHEN 'b' THEN format('base %s %s', typinput, typoutput) END)
FROM typ

UNION ALL
SELECT 'trigger', format('%s %I', rel.name, tgname), format('%s; enabled %s', pg_get_triggerdef(t.oid), tgenabled)
FROM pg_trigger t JOIN rel ON rel.oid = tgrelid
WHERE NOT tgisinternal AND NOT is_member

UNION ALL
SELECT 'rule', format('%s %I', rel.name, rulename), format('%s; enabled %s', pg_get_ruledef(r.oid), ev_enabled)
FROM pg_rewrite r JOIN rel ON rel.oid = ev_class
WHERE rulename <> '_RETURN' AND NOT is_member

UNION ALL
SELECT 'policy', format('%s %I', rel.name, polname),
       format('%s %s to %s using %s check %s', polpermissive, polcmd,
              (SELECT array_agg(r::regrole::text ORDER BY r::regrole::text COLLATE "C") FROM unnest(polroles) r),
              pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
FROM pg_policy JOIN rel ON rel.oid = polrelid

UNION ALL
SELECT 'statistics', format('%s.%I', stxnamespace::regnamespace, stxname), pg_get_statisticsobjdef(oid)
FROM pg_statistic_ext

UNION ALL
SELECT 'event trigger', format('%I', evtname),
       format('on %s tags %s execute %s; enabled %s; owner %s', evtevent, evttags, evtfoid::regproc, evtenabled,
              evtowner::regrole)
FROM pg_event_trigger e
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = e.oid)

UNION ALL
SELECT 'publication', format('%I', pubname),
       format('owner %s; all tables %s; %s; tables %s', pubowner::regrole, puballtables,
              concat_ws(' ', CASE WHEN pubinsert THEN 'insert' END, CASE WHEN pubupdate THEN 'update' END,
                        CASE WHEN pubdelete THEN 'delete' END, CASE WHEN pubtruncate THEN 'truncate' END),
              (SELECT array_agg(prrelid::regclass::text ORDER BY prrelid::regclass::text COLLATE "C")
               FROM pg_publication_rel WHERE prpubid = p.oid))
FROM pg_publication p

UNION ALL
SELECT 'subscription', format('%I', subname),
       format('owner %s; enabled %s; publications %s', subowner::regrole, subenabled, subpublications)
FROM pg_subscription WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())

UNION ALL
SELECT 'foreign server', format('%I', srvname),
       format('wrapper %s; owner %s; access %s; options %s',
              (SELECT fdwname FROM pg_foreign_data_wrapper f WHERE f.oid = srvfdw), srvowner::regrole,
              (SELECT array_agg(a::text ORDER BY a::text COLLATE "C")
               FROM unnest(coalesce(srvacl, acldefault('S', srvowner))) a), srvoptions)
FROM pg_foreign_server

UNION ALL
SELECT 'user mapping', format('%s on %I', CASE umuser WHEN 0 THEN 'public' ELSE umuser::regrole::text END, srvname), ''
FROM pg_user_mapping JOIN pg_foreign_server s ON s.oid = umserver

UNION ALL
SELECT 'default privileges', format('%s in %s on %s', defaclrole::regrole,
                                    CASE defaclnamespace WHEN 0 THEN 'any schema'
                                         ELSE defaclnamespace::regnamespace::text END, defaclobjtype),
       (SELECT array_agg(a::text ORDER BY a::text COLLATE "C") FROM unnest(defaclacl) a)::text
FROM pg_default_acl

UNION ALL
-- Kinds that have no definition as one text: that they exist, and as what.
SELECT i.type, i.identity, ''
FROM (SELECT 'pg_operator'::regclass AS classid, oid FROM pg_operator
      UNION ALL SELECT 'pg_cast'::regclass, oid FROM pg_cast
      UNION ALL SELECT 'pg_opclass'::regclass, oid FROM pg_opclass
      UNION ALL SELECT 'pg_opfamily'::regclass, oid FROM pg_opfamily
      UNION ALL SELECT 'pg_am'::regclass, oid FROM pg_am
      UNION ALL SELECT 'pg_collation'::regclass, oid FROM pg_collation
      UNION ALL SELECT 'pg_conversion'::regclass, oid FROM pg_conversion
      UNION ALL SELECT 'pg_language'::regclass, oid FROM pg_language
      UNION ALL SELECT 'pg_transform'::regclass, oid FROM pg_transform
      UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid FROM pg_foreign_data_wrapper
      UNION ALL SELECT 'pg_ts_config'::regclass, oid FROM pg_ts_config
      UNION ALL SELECT 'pg_ts_dict'::regclass, oid FROM pg_ts_dict
      UNION ALL SELECT 'pg_ts_parser'::regclass, oid FROM pg_ts_parser
      UNION ALL SELECT 'pg_ts_template'::regclass, oid FROM pg_ts_template) o,
     LATERAL pg_identify_object(o.classid, o.oid, 0) i
-- From 16384 on objects were made after initdb.
WHERE o.oid >= 16384
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = o.classid AND m.objid = o.oid)

UNION ALL
SELECT 'comment', i.type || ' ' || i.identity, d.description
FROM pg_description d, LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
WHERE d.objoid >= 16384 AND i.identity IS NOT NULL
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = d.classoid AND m.objid = d.objoid)
  AND d.classoid <> 'pg_extension'::regclass
