-- What the clone is made to undo.
UPDATE orders SET total = 0;

DROP TABLE events;

DELETE FROM customers WHERE NOT EXISTS (SELECT FROM orders WHERE orders.customer = customers.id);
