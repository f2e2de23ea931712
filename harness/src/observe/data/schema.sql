-- Every definition of a database as (kind, name, definition). `:observed` is the condition of excluded.rs, `:…_option`
-- are those of options.rs.
WITH member AS (
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), ns AS (
    SELECT n.oid, n.nspname, n.nspowner, n.nspacl FROM pg_namespace n WHERE :observed
), rel AS (
    SELECT c.*, format('%I.%I', ns.nspname, c.relname) AS name,
           -- Tables of an extension are looked at: people give them indexes, triggers and columns of their own.
           c.relkind NOT IN ('r', 'p') AND
               EXISTS (SELECT FROM member m WHERE m.classid = 'pg_class'::regclass AND m.objid = c.oid) AS left_out
    FROM pg_class c JOIN ns ON ns.oid = c.relnamespace
    WHERE c.relpersistence <> 't'
), proc AS (
    SELECT p.*, format('%I.%I(%s)', ns.nspname, p.proname, pg_get_function_identity_arguments(p.oid)) AS name
    FROM pg_proc p JOIN ns ON ns.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_proc'::regclass AND m.objid = p.oid)
), server_option AS (
    -- Options of indexes and of their columns that are the server's own, as patterns of what `pg_get_indexdef` prints: each of
    -- them, and all of a column where people gave it none. With options, it prints an operator class that is the usual one, too.
    SELECT index, '(?<=[( ])(' || string_agg(regexp_replace(printed, '([^\w\s])', '\\\1', 'g'), '|')
               FILTER (WHERE NOT is_peoples) || ')(?=[,)])' AS each,
           string_agg(' ([^ ,()]+\.)?' || regexp_replace(format('%I (%s)', usual, of_column), '([^\w\s])', '\\\1', 'g'), '|')
               FILTER (WHERE usual IS NOT NULL AND NOT any_peoples) AS whole
    FROM (SELECT *, string_agg(printed, ', ') OVER (PARTITION BY index, attnum ORDER BY place
                                                    ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING) AS of_column,
                 bool_or(is_peoples) OVER (PARTITION BY index, attnum) AS any_peoples
          FROM (SELECT a.attrelid AS index, attnum, o, place, CASE WHEN opcdefault THEN opcname END AS usual,
                       :operator_class_option AS is_peoples
                FROM pg_attribute a JOIN pg_index i ON i.indexrelid = a.attrelid
                     LEFT JOIN pg_opclass c ON c.oid = indclass[attnum - 1],
                     LATERAL (SELECT coalesce(c.oid, 0) AS made_by) m, unnest(attoptions) WITH ORDINALITY u (o, place)
                UNION ALL
                SELECT rel.oid, 0, o, place, NULL, :relation_option
                FROM rel, LATERAL (SELECT relam AS made_by) m, unnest(reloptions) WITH ORDINALITY u (o, place)
                WHERE relkind IN ('i', 'I')) found,
               LATERAL (SELECT split_part(o, '=', 1) AS name, substr(o, strpos(o, '=') + 1) AS value) parts,
               LATERAL (SELECT concat(quote_ident(name), '=',
                                      CASE WHEN quote_ident(value) = value THEN value
                                           ELSE concat('''', replace(value, '''', ''''''), '''') END) AS printed) p) each
    GROUP BY index
    HAVING bool_or(NOT is_peoples)
), typ AS (
    SELECT t.*, format('%I.%I', ns.nspname, t.typname) AS name
    FROM pg_type t JOIN ns ON ns.oid = t.typnamespace
    WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_type'::regclass AND m.objid = t.oid)
      AND (t.typtype IN ('b', 'c', 'd', 'e', 'r') OR NOT t.typisdefined)
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
           'options ' || (SELECT array_agg(o ORDER BY o COLLATE "C")
                          FROM unnest(reloptions) o, LATERAL (SELECT relam AS made_by) m WHERE :relation_option)::text,
           (SELECT 'toast options ' || (SELECT array_agg(o ORDER BY o COLLATE "C")
                                        FROM unnest(t.reloptions) o, LATERAL (SELECT t.relam AS made_by) m
                                        WHERE :relation_option)::text
            FROM pg_class t WHERE t.oid = rel.reltoastrelid),
           CASE WHEN reloftype <> 0 THEN 'of type ' || reloftype::regtype END,
           CASE WHEN relkind IN ('r', 'm') THEN 'method ' || (SELECT amname FROM pg_am WHERE oid = relam) END,
           'tablespace ' || (SELECT spcname FROM pg_tablespace s WHERE s.oid = reltablespace),
           CASE WHEN relkind = 'p' THEN 'partition by ' || pg_get_partkeydef(rel.oid) END,
           CASE WHEN relispartition THEN 'partition ' || pg_get_expr(relpartbound, rel.oid) END,
           (SELECT 'inherits ' || string_agg(inhparent::regclass::text, ', ' ORDER BY inhseqno)
            FROM pg_inherits WHERE inhrelid = rel.oid),
           -- A column of PostgreSQL 14.
           (SELECT 'detach pending' FROM pg_inherits i WHERE inhrelid = rel.oid AND to_jsonb(i) ->> 'inhdetachpending' = 'true'),
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
           (SELECT format('server %I options %s', srvname,
                           (SELECT string_agg(split_part(o, '=', 1) || ' ' || left(encode(sha256(convert_to(o, getdatabaseencoding())), 'hex'), 16),
                               ', ' ORDER BY o COLLATE "C") FROM unnest(ftoptions) o))
            FROM pg_foreign_table f JOIN pg_foreign_server s ON s.oid = f.ftserver WHERE f.ftrelid = rel.oid))
FROM rel
WHERE relkind IN ('r', 'p', 'v', 'm', 'f', 'S', 'c') AND NOT left_out

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
           CASE WHEN attstattarget >= 0 THEN 'statistics target ' || attstattarget END,
           CASE WHEN NOT attislocal THEN 'inherited' END,
           'options ' || (SELECT array_agg(o ORDER BY o COLLATE "C") FROM unnest(attoptions) o WHERE :column_option)::text,
           -- A column of PostgreSQL 14.
           'compression ' || nullif(to_jsonb(a) ->> 'attcompression', ''),
           'foreign options ' || (SELECT string_agg(split_part(o, '=', 1) || ' ' || left(encode(sha256(convert_to(o, getdatabaseencoding())), 'hex'), 16),
                               ', ' ORDER BY o COLLATE "C") FROM unnest(attfdwoptions) o),
           'access ' || (SELECT array_agg(x::text ORDER BY x::text COLLATE "C") FROM unnest(attacl) x)::text)
FROM pg_attribute a
JOIN rel ON rel.oid = a.attrelid
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
WHERE attnum > 0 AND NOT attisdropped AND rel.relkind IN ('r', 'p', 'v', 'm', 'f', 'c') AND NOT left_out

UNION ALL
SELECT 'constraint', format('%s %I', coalesce(rel.name, typ.name), conname),
       concat_ws('; ', :printed_without_servers, CASE WHEN NOT conislocal THEN 'inherited' END)
FROM pg_constraint c LEFT JOIN rel ON rel.oid = conrelid LEFT JOIN typ ON typ.oid = contypid
     LEFT JOIN server_option ON server_option.index = c.conindid, LATERAL (SELECT pg_get_constraintdef(c.oid) AS printed) p
WHERE (rel.oid IS NOT NULL AND NOT left_out) OR typ.oid IS NOT NULL

UNION ALL
SELECT 'index', rel.name,
       concat_ws('; ', :printed_without_servers, CASE WHEN NOT indisvalid THEN 'invalid' END,
                 CASE WHEN NOT indisready THEN 'not ready' END, CASE WHEN NOT indislive THEN 'not live' END,
                 (SELECT 'statistics targets ' || string_agg(format('%s of %s', attstattarget, attnum), ', ' ORDER BY attnum)
                  FROM pg_attribute WHERE attrelid = indexrelid AND attstattarget >= 0),
                 CASE WHEN indisclustered THEN 'clustered' END, CASE WHEN indisreplident THEN 'replica identity' END,
                 'tablespace ' || (SELECT spcname FROM pg_tablespace s WHERE s.oid = rel.reltablespace))
FROM pg_index JOIN rel ON rel.oid = indexrelid JOIN rel tab ON tab.oid = indrelid
     LEFT JOIN server_option ON server_option.index = indexrelid, LATERAL (SELECT pg_get_indexdef(indexrelid) AS printed) p
WHERE NOT tab.left_out

UNION ALL
SELECT CASE prokind WHEN 'p' THEN 'procedure' WHEN 'a' THEN 'aggregate' ELSE 'function' END, name,
       format('owner %s; access %s; %s', proowner::regrole,
              (SELECT array_agg(a::text ORDER BY a::text COLLATE "C")
               FROM unnest(coalesce(proacl, acldefault('f', proowner))) a),
              CASE WHEN prokind <> 'a' THEN pg_get_functiondef(proc.oid)
                   ELSE (SELECT format('parallel %s; states %s %s; sort %s; %s', proparallel, aggtranstype::regtype,
                                       aggmtranstype::regtype, aggsortop::regoperator,
                                       to_jsonb(g) - '{aggfnoid,aggtranstype,aggmtranstype,aggsortop}'::text[])
                         FROM pg_aggregate g WHERE aggfnoid = proc.oid) END)
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
               WHEN 'r' THEN (SELECT format('range over %s; canonical %s; difference %s; operators %s; collation %s; multirange %s',
                                            rngsubtype::regtype, rngcanonical, rngsubdiff,
                                            (SELECT opcname FROM pg_opclass WHERE oid = rngsubopc),
                                            (SELECT collname FROM pg_collation WHERE oid = rngcollation),
                                            -- A column of PostgreSQL 14.
                                            (to_jsonb(r) ->> 'rngmultitypid')::oid::regtype)
                              FROM pg_range r WHERE rngtypid = typ.oid)
               WHEN 'p' THEN 'only named'
               -- What else names other objects by number is left out.
               WHEN 'b' THEN format('base %s', to_jsonb(typ) - '{oid,name,typname,typnamespace,typowner,typacl,typrelid,'
                                               'typelem,typarray,typbasetype,typcollation}'::text[]) END,
           CASE WHEN typtype = 'b' AND typelem <> 0 THEN 'element ' || typelem::regtype END,
           (SELECT 'collate ' || collname FROM pg_collation WHERE oid = typcollation AND collname <> 'default'))
FROM typ

UNION ALL
SELECT 'trigger', format('%s %I', rel.name, tgname), format('%s; enabled %s', pg_get_triggerdef(t.oid), tgenabled)
FROM pg_trigger t JOIN rel ON rel.oid = tgrelid
WHERE NOT tgisinternal AND NOT left_out

UNION ALL
-- Triggers of foreign keys, which have no names of their own, where somebody has switched them off.
SELECT 'trigger', format('%s of constraint %I: %s', rel.name, conname, tgfoid::regproc), format('enabled %s', tgenabled)
FROM pg_trigger t JOIN rel ON rel.oid = tgrelid JOIN pg_constraint c ON c.oid = tgconstraint
WHERE tgisinternal AND tgenabled <> 'O'

UNION ALL
SELECT 'rule', format('%s %I', rel.name, rulename), format('%s; enabled %s', pg_get_ruledef(r.oid), ev_enabled)
FROM pg_rewrite r JOIN rel ON rel.oid = ev_class
WHERE rulename <> '_RETURN' AND NOT left_out

UNION ALL
SELECT 'policy', format('%s %I', rel.name, polname),
       format('%s %s to %s using %s check %s', polpermissive, polcmd,
              (SELECT array_agg(r::regrole::text ORDER BY r::regrole::text COLLATE "C") FROM unnest(polroles) r),
              pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid))
FROM pg_policy JOIN rel ON rel.oid = polrelid

UNION ALL
SELECT 'statistics', format('%s.%I', stxnamespace::regnamespace, stxname),
       concat_ws('; ', format('owner %s; %s', stxowner::regrole, pg_get_statisticsobjdef(oid)),
                 -- A column of PostgreSQL 13.
                 CASE WHEN (to_jsonb(s) ->> 'stxstattarget')::int >= 0
                      THEN 'statistics target ' || (to_jsonb(s) ->> 'stxstattarget') END)
FROM pg_statistic_ext s

UNION ALL
SELECT 'event trigger', format('%I', evtname),
       format('on %s tags %s execute %s; enabled %s; owner %s', evtevent, evttags, evtfoid::regproc, evtenabled,
              evtowner::regrole)
FROM pg_event_trigger e
WHERE NOT EXISTS (SELECT FROM member m WHERE m.classid = 'pg_event_trigger'::regclass AND m.objid = e.oid)

UNION ALL
SELECT 'publication', format('%I', pubname),
       format('owner %s; %s; tables %s', pubowner::regrole, to_jsonb(p) - '{oid,pubname,pubowner}'::text[],
              (SELECT array_agg(prrelid::regclass::text ORDER BY prrelid::regclass::text COLLATE "C")
               FROM pg_publication_rel WHERE prpubid = p.oid))
FROM pg_publication p

UNION ALL
SELECT 'subscription', format('%I', subname),
       format('owner %s; %s', subowner::regrole,
              to_jsonb(s) - '{oid,subdbid,subname,subowner,subconninfo,subskiplsn}'::text[])
FROM pg_subscription s WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())

UNION ALL
SELECT 'subscription', format('%I of table %s', subname, srrelid::regclass), format('state %s', srsubstate)
FROM pg_subscription_rel JOIN pg_subscription s ON s.oid = srsubid

UNION ALL
SELECT 'foreign server', format('%I', srvname),
       format('wrapper %s; type %s; version %s; owner %s; access %s; options %s',
              (SELECT fdwname FROM pg_foreign_data_wrapper f WHERE f.oid = srvfdw), quote_nullable(srvtype),
              quote_nullable(srvversion), srvowner::regrole,
              (SELECT array_agg(a::text ORDER BY a::text COLLATE "C")
               FROM unnest(coalesce(srvacl, acldefault('S', srvowner))) a),
              (SELECT string_agg(split_part(o, '=', 1) || ' ' || left(encode(sha256(convert_to(o, getdatabaseencoding())), 'hex'), 16),
                               ', ' ORDER BY o COLLATE "C") FROM unnest(srvoptions) o))
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
-- Kinds that no function gives a definition of: what their catalogs say, objects by name.
SELECT i.type, i.identity, o.definition
FROM (SELECT 'pg_operator'::regclass AS classid, oid,
             format('owner %s; commutator %s; negator %s; %s', oprowner::regrole, oprcom::regoperator,
                    oprnegate::regoperator,
                    to_jsonb(o) - '{oid,oprname,oprnamespace,oprowner,oprleft,oprright,oprresult,oprcom,oprnegate}'::text[])
                 AS definition
      FROM pg_operator o
      UNION ALL SELECT 'pg_cast'::regclass, oid, format('%s %s %s', castfunc::regprocedure, castcontext, castmethod)
      FROM pg_cast
      UNION ALL SELECT 'pg_opclass'::regclass, oid,
             format('owner %s; default %s; for %s; family %s; stores %s', opcowner::regrole, opcdefault, opcintype::regtype,
                    (SELECT opfname FROM pg_opfamily f WHERE f.oid = opcfamily), opckeytype::regtype)
      FROM pg_opclass
      UNION ALL SELECT 'pg_opfamily'::regclass, oid,
             format('owner %s; operators %s; functions %s', opfowner::regrole,
                    (SELECT array_agg(format('%s %s %s', amopstrategy, amopopr::regoperator, amoppurpose)
                                      || coalesce(' sorted by ' || s.opfname, '')
                                      ORDER BY amopstrategy, amopopr::regoperator::text COLLATE "C")
                     FROM pg_amop LEFT JOIN pg_opfamily s ON s.oid = amopsortfamily WHERE amopfamily = f.oid),
                    (SELECT array_agg(format('%s %s for %s, %s', amprocnum, amproc, amproclefttype::regtype,
                                             amprocrighttype::regtype)
                                      ORDER BY amprocnum, amproc::text COLLATE "C", amproclefttype::regtype::text COLLATE "C",
                                               amprocrighttype::regtype::text COLLATE "C")
                     FROM pg_amproc WHERE amprocfamily = f.oid))
      FROM pg_opfamily f
      UNION ALL SELECT 'pg_am'::regclass, oid, format('%s %s', amtype, amhandler) FROM pg_am
      UNION ALL SELECT 'pg_collation'::regclass, oid,
             format('owner %s; %s', collowner::regrole,
                    to_jsonb(c) - '{oid,collname,collnamespace,collowner,collversion}'::text[])
      FROM pg_collation c
      UNION ALL SELECT 'pg_conversion'::regclass, oid,
             format('owner %s; from %s to %s by %s; default %s', conowner::regrole, pg_encoding_to_char(conforencoding),
                    pg_encoding_to_char(contoencoding), conproc, condefault)
      FROM pg_conversion
      UNION ALL SELECT 'pg_language'::regclass, oid,
             format('owner %s; trusted %s; %s %s %s; access %s', lanowner::regrole, lanpltrusted, lanplcallfoid::regproc,
                    laninline::regproc, lanvalidator::regproc,
                    (SELECT array_agg(a::text ORDER BY a::text COLLATE "C")
                     FROM unnest(coalesce(lanacl, acldefault('l', lanowner))) a))
      FROM pg_language
      UNION ALL SELECT 'pg_transform'::regclass, oid, format('%s %s', trffromsql, trftosql) FROM pg_transform
      UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid,
             format('owner %s; %s %s; access %s; options %s', fdwowner::regrole, fdwhandler::regproc,
                    fdwvalidator::regproc,
                    (SELECT array_agg(a::text ORDER BY a::text COLLATE "C")
                     FROM unnest(coalesce(fdwacl, acldefault('F', fdwowner))) a),
                    (SELECT string_agg(split_part(o, '=', 1) || ' ' || left(encode(sha256(convert_to(o, getdatabaseencoding())), 'hex'), 16),
                               ', ' ORDER BY o COLLATE "C") FROM unnest(fdwoptions) o))
      FROM pg_foreign_data_wrapper
      UNION ALL SELECT 'pg_ts_config'::regclass, oid,
             format('owner %s; parser %s; %s', cfgowner::regrole, (SELECT prsname FROM pg_ts_parser p WHERE p.oid = cfgparser),
                    (SELECT array_agg(format('%s %s', maptokentype, mapdict::regdictionary) ORDER BY maptokentype, mapseqno)
                     FROM pg_ts_config_map WHERE mapcfg = c.oid))
      FROM pg_ts_config c
      UNION ALL SELECT 'pg_ts_dict'::regclass, oid,
             format('owner %s; template %s; %s', dictowner::regrole,
                    (SELECT tmplname FROM pg_ts_template t WHERE t.oid = dicttemplate), dictinitoption)
      FROM pg_ts_dict
      UNION ALL SELECT 'pg_ts_parser'::regclass, oid, (to_jsonb(p) - '{oid,prsname,prsnamespace}'::text[])::text
      FROM pg_ts_parser p
      UNION ALL SELECT 'pg_ts_template'::regclass, oid, format('%s %s', tmplinit, tmpllexize) FROM pg_ts_template) o,
     LATERAL pg_identify_object(o.classid, o.oid, 0) i
-- From 16384 on objects were made after initdb.
WHERE o.oid >= 16384
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = o.classid AND m.objid = o.oid)

UNION ALL
SELECT 'comment', i.type || ' ' || i.identity, d.description
FROM pg_description d, LATERAL pg_identify_object(d.classoid, d.objoid, d.objsubid) i
WHERE i.identity IS NOT NULL
  -- A large object has the number that somebody gave it.
  AND (d.objoid >= 16384 OR d.classoid = 'pg_largeobject'::regclass OR (i.type = 'schema' AND i.identity = 'public' AND d.description <> 'standard public schema'))
  AND NOT EXISTS (SELECT FROM member m WHERE m.classid = d.classoid AND m.objid = d.objoid)
  AND d.classoid <> 'pg_extension'::regclass

UNION ALL
SELECT 'depends on extension', i.type || ' ' || i.identity, format('%I', extname)
FROM pg_depend d JOIN pg_extension x ON x.oid = d.refobjid, LATERAL pg_identify_object(d.classid, d.objid, d.objsubid) i
WHERE d.refclassid = 'pg_extension'::regclass AND d.deptype = 'x'

UNION ALL
SELECT 'security label', i.type || ' ' || i.identity, concat(l.provider, ': ', l.label)
FROM pg_seclabel l, LATERAL pg_identify_object(l.classoid, l.objoid, l.objsubid) i

UNION ALL
-- What somebody has granted or revoked on objects of an extension or of PostgreSQL itself since it made them.
SELECT 'access', i.type || ' ' || i.identity, now.acl::text
FROM (SELECT o.classid, o.oid, o.part,
             (SELECT array_agg(a::text ORDER BY a::text COLLATE "C") FROM unnest(coalesce(o.acl, o.usual)) a) AS acl,
             (SELECT array_agg(a::text ORDER BY a::text COLLATE "C") FROM unnest(coalesce(p.initprivs, o.usual)) a) AS made
      FROM (SELECT 'pg_class'::regclass AS classid, oid, 0 AS part, relacl AS acl,
                   acldefault(CASE relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", relowner) AS usual
            FROM pg_class
            UNION ALL SELECT 'pg_class'::regclass, attrelid, attnum, attacl, '{}' FROM pg_attribute WHERE NOT attisdropped
            UNION ALL SELECT 'pg_proc'::regclass, oid, 0, proacl, acldefault('f', proowner) FROM pg_proc
            UNION ALL SELECT 'pg_type'::regclass, oid, 0, typacl, acldefault('T', typowner) FROM pg_type
            UNION ALL SELECT 'pg_language'::regclass, oid, 0, lanacl, acldefault('l', lanowner) FROM pg_language
            UNION ALL SELECT 'pg_foreign_data_wrapper'::regclass, oid, 0, fdwacl, acldefault('F', fdwowner)
            FROM pg_foreign_data_wrapper
            UNION ALL SELECT 'pg_namespace'::regclass, oid, 0, nspacl, acldefault('n', nspowner)
            FROM pg_namespace n WHERE NOT :observed) o
      LEFT JOIN pg_init_privs p
             ON p.classoid = o.classid AND p.objoid = o.oid AND p.objsubid = o.part
      WHERE o.acl IS DISTINCT FROM p.initprivs
        AND (o.oid < 16384 OR EXISTS (SELECT FROM member m WHERE m.classid = o.classid AND m.objid = o.oid))) now,
     LATERAL pg_identify_object(now.classid, now.oid, now.part) i
-- What initdb grants on information_schema it does not note.
WHERE now.acl IS DISTINCT FROM now.made AND i.schema IS DISTINCT FROM 'information_schema'
