-- Everything with rows: name, kind, columns, key, size in blocks. `:observed` is the condition of excluded.rs.
SELECT format('%I.%I', n.nspname, c.relname) AS name,
       CASE WHEN c.relkind = 'f' THEN 'foreign' WHEN c.relkind = 'm' THEN 'materialised-view'
            WHEN c.relpersistence = 'u' THEN 'unlogged' ELSE 'table' END AS kind,
       c.relkind <> 'f' AND c.relispopulated AS has_rows,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS columns,
       -- The function that sends each column's value in binary.
       ARRAY(SELECT t.typsend::regproc::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
             WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS sent,
       ARRAY(SELECT a.attname::text
             FROM (SELECT i.indkey, i.indnkeyatts FROM pg_index i
                   WHERE i.indrelid = c.oid AND i.indisunique AND i.indisvalid AND i.indpred IS NULL
                     AND i.indexprs IS NULL
                     AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND NOT a.attnotnull
                                     AND a.attnum = ANY ((i.indkey::int2[])[0:i.indnkeyatts - 1]))
                   ORDER BY i.indisprimary DESC, (SELECT x.relname FROM pg_class x WHERE x.oid = i.indexrelid) COLLATE "C"
                   LIMIT 1) k,
                  unnest((k.indkey::int2[])[0:k.indnkeyatts - 1]) WITH ORDINALITY u (attnum, place)
             JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.attnum
             ORDER BY place) AS key,
       CASE WHEN c.relkind = 'f' THEN 0
            ELSE pg_relation_size(c.oid) / current_setting('block_size')::int END AS blocks,
       coalesce((SELECT amname = 'heap' FROM pg_am WHERE pg_am.oid = c.relam), false) AS is_heap,
       c.oid, c.relfilenode AS file
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm', 'f') AND c.relpersistence <> 't' AND :observed
ORDER BY format('%I.%I', n.nspname, c.relname) COLLATE "C"
